// Debian's cloud kernel, from its package.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { capture, run } from "../../../scripts/lib/process.mjs";
import { step } from "../../../scripts/lib/terminal.mjs";

const cache = path.join(process.env.XDG_CACHE_HOME || path.join(os.homedir(), ".cache"), "unikernel", "bench");

/** @returns {Promise<{ version: string, image: string, modules: string }>} Downloads and unpacks it once per version. */
export async function debianKernel() {
  const dependencies = capture("apt-cache", ["depends", "linux-image-cloud-amd64"]) ?? "";
  const version = /linux-image-(\S+-cloud-amd64)/.exec(dependencies)?.[1];
  if (!version)
    throw new Error("apt does not know linux-image-cloud-amd64: the benchmark compares with Debian's kernel.");
  const folder = path.join(cache, version);
  if (!fs.existsSync(folder)) {
    const partial = `${folder}.partial-${process.pid}`;
    fs.mkdirSync(partial, { recursive: true });
    await step(`Download Debian's kernel ${version}`, "the benchmark compares with it", async () => {
      await run("apt-get", ["download", `linux-image-${version}`], { cwd: partial, quiet: true });
      const archive = fs.readdirSync(partial).find((name) => name.endsWith(".deb"));
      await run("dpkg-deb", ["--extract", archive, "."], { cwd: partial, quiet: true });
      fs.rmSync(path.join(partial, archive));
    });
    fs.renameSync(partial, folder);
  }
  return {
    version,
    image: path.join(folder, "boot", `vmlinuz-${version}`),
    modules: path.join(folder, "lib", "modules", version, "kernel"),
  };
}
