// Debian's cloud kernel, from its package.
import fs from "node:fs";
import path from "node:path";
import { installInto } from "../../../scripts/lib/install.mjs";
import { toolsCache } from "../../../scripts/lib/paths.mjs";
import { capture, run } from "../../../scripts/lib/process.mjs";
import { step } from "../../../scripts/lib/terminal.mjs";

/** @returns {Promise<{ version: string, image: string, modules: string }>} Downloads and unpacks it once per version. */
export async function debianKernel() {
  const dependencies = capture("apt-cache", ["depends", "linux-image-cloud-amd64"]) ?? "";
  const version = /linux-image-(\S+-cloud-amd64)/.exec(dependencies)?.[1];
  if (!version)
    throw new Error("apt does not know linux-image-cloud-amd64: the benchmark compares with Debian's kernel.");
  const folder = path.join(toolsCache, `linux-${version}`);
  if (!fs.existsSync(folder))
    await step(`Download Debian's kernel ${version}`, "the benchmark compares with it", () =>
      installInto(folder, async (partial) => {
        await run("apt-get", ["download", `linux-image-${version}`], { cwd: partial, quiet: true });
        const archive = fs.readdirSync(partial).find((name) => name.endsWith(".deb"));
        await run("dpkg-deb", ["--extract", archive, "."], { cwd: partial, quiet: true });
        fs.rmSync(path.join(partial, archive));
      }),
    );
  return {
    version,
    image: path.join(folder, "boot", `vmlinuz-${version}`),
    modules: path.join(folder, "lib", "modules", version, "kernel"),
  };
}
