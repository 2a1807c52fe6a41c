// Builds the kernel for bare metal and puts it, without symbols, where the package ships it from. The same build with its
// symbols stays in kernel/target for debuggers and backtraces.
import { mkdirSync, renameSync, statSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { inRoot, kernelImage, root } from "./lib/paths.mjs";
import { run } from "./lib/process.mjs";
import { fingerprint, isCurrent, writeStamp } from "./lib/stamp.mjs";
import { main, step } from "./lib/terminal.mjs";
import { rust, target } from "./tools/rust.mjs";

const workspace = inRoot("kernel");
/** The kernel with its symbols. */
export const kernelWithSymbols = path.join(workspace, "target", target, "release", "unikernel");

/** @param {import("./tools/rust.mjs").Rust} [toolchain] */
export async function buildKernel(toolchain) {
  const { cargo, env, bareMetal } = toolchain ?? (await rust());
  const stamp = path.join(workspace, "target", ".kernel.stamp");
  const print = fingerprint([workspace], [cargo, bareMetal]);
  if (isCurrent(stamp, print, [kernelImage])) return;
  await step(`Build the kernel`, "in Rust, for bare metal", async () => {
    await run(cargo, ["build", "--release", "--locked", "--package", "unikernel", ...bareMetal], {
      cwd: workspace,
      quiet: !process.stderr.isTTY,
      env,
    });
    mkdirSync(path.dirname(kernelImage), { recursive: true });
    const partial = `${kernelImage}.${process.pid}`;
    await run("strip", ["--strip-all", "-o", partial, kernelWithSymbols], { quiet: true });
    renameSync(partial, kernelImage);
  });
  writeStamp(stamp, print);
  const kibibytes = Math.ceil(statSync(kernelImage).size / 1024);
  console.error(`  ${path.relative(root, kernelImage)}: ${kibibytes} KiB`);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await main(() => buildKernel());
