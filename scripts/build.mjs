// Builds what the package ships: the kernel and the compiled TypeScript.
import { pathToFileURL } from "node:url";
import { buildKernel } from "./build-kernel.mjs";
import { inRoot } from "./lib/paths.mjs";
import { run } from "./lib/process.mjs";
import { fingerprint, isCurrent, writeStamp } from "./lib/stamp.mjs";
import { main, step } from "./lib/terminal.mjs";
import { nodeModules } from "./tools/node-modules.mjs";

export async function buildProvider() {
  const provider = inRoot("provider");
  const stamp = inRoot("provider", "dist", ".build.stamp");
  const inputs = ["provider/src", "provider/tsconfig.build.json", "tsconfig.json", "package-lock.json"];
  const print = fingerprint(inputs.map((name) => inRoot(name)));
  if (isCurrent(stamp, print, [inRoot("provider", "dist", "index.js")])) return;
  await step("Compile the provider", "from TypeScript", () =>
    run(process.execPath, [inRoot("node_modules", "typescript", "bin", "tsc"), "-p", "tsconfig.build.json"], {
      cwd: provider,
      quiet: true,
    }),
  );
  writeStamp(stamp, print);
}

/** @param {import("./tools/rust.mjs").Rust} [toolchain] */
export async function build(toolchain) {
  await buildKernel(toolchain);
  await buildProvider();
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href)
  await main(async () => {
    await nodeModules();
    await build();
  });
