import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Cache, writeSynced } from "./cache.js";
import { ElfError, parseElf } from "./elf.js";
import { errorCode, VisibleError } from "./errors.js";
import { kernelMemory } from "./memory.js";
import type { Digest, Kernel, KernelSource } from "./types.js";

const PACKAGE_ROOT = join(__dirname, "..", "..");

/**
 * The kernel that comes with this package. Its version is the package's. The environment variable `UNIKERNEL_KERNEL` names
 * another one, for whoever works on the kernel.
 */
export async function bundledKernel(): Promise<KernelSource> {
  const { version } = JSON.parse(await readFile(join(PACKAGE_ROOT, "package.json"), "utf8")) as { version: string };
  const other = process.env["UNIKERNEL_KERNEL"];
  return { path: other || join(PACKAGE_ROOT, "kernel", "x86_64", "kernel.elf"), version };
}

/** Puts a kernel into the cache, so that images that were built with it can be started when the package has moved on. */
export async function cacheKernel(source: KernelSource, cache: Cache): Promise<Kernel & { memory: number }> {
  let bytes: Buffer;
  try {
    bytes = await readFile(source.path);
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
    throw new VisibleError(
      `The kernel is missing: there is no "${source.path}". In a checkout, \`npm run build\` makes it; otherwise install pulumi-unikernel again.`,
    );
  }
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const digest: Digest = `sha256:${sha256}`;
  const memory = kernelSize(source.path, bytes);
  if ((await cache.find("kernels", sha256)) === undefined) {
    await cache.add("kernels", sha256, (path) => writeSynced(path, bytes));
  }
  return { path: cache.path("kernels", sha256), digest, version: source.version, memory };
}

function kernelSize(path: string, bytes: Buffer): number {
  try {
    return kernelMemory(parseElf((offset, length) => bytes.subarray(offset, offset + length)));
  } catch (error) {
    if (error instanceof ElfError) throw new VisibleError(`The kernel "${path}" ${error.message}.`);
    throw error;
  }
}
