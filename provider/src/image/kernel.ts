import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Cache, writeSynced } from "./cache.js";
import { ElfError, parseElf } from "./elf.js";
import { errorCode, VisibleError } from "./errors.js";
import { kernelMemory } from "./memory.js";
import type { Digest, Firmware, Kernel, KernelSource, Loader } from "./types.js";

const PACKAGE_ROOT = join(__dirname, "..", "..");

/**
 * The kernel that comes with this package, with its boot loaders. Its version is the package's. The environment variable `UNIKERNEL_KERNEL` names
 * another one, for whoever works on the kernel.
 */
export async function bundledKernel(): Promise<KernelSource> {
  const { version } = JSON.parse(await readFile(join(PACKAGE_ROOT, "package.json"), "utf8")) as { version: string };
  const other = process.env["UNIKERNEL_KERNEL"];
  const shipped = (name: string): string => join(PACKAGE_ROOT, "kernel", "x86_64", name);
  return {
    path: other || shipped("kernel.elf"),
    version,
    loaders: { bios: shipped("loader.bios"), uefi: shipped("loader.efi") },
  };
}

/**
 * Puts a kernel and its boot loaders into the cache, so that images that were built with it can be started when the package has
 * moved on.
 */
export async function cacheKernel(source: KernelSource, cache: Cache): Promise<Kernel & { memory: number }> {
  const bytes = await readShipped("kernel", source.path);
  const memory = kernelSize(source.path, bytes);
  const kernel = { ...(await cacheFile(bytes, cache)), version: source.version, memory };
  if (source.loaders === undefined) return kernel;
  const { bios, uefi } = source.loaders;
  return {
    ...kernel,
    loaders: {
      bios: await cacheFile(await readShipped("boot loader for BIOS", bios), cache),
      uefi: await cacheFile(await readShipped("boot loader for UEFI", uefi), cache),
    },
  };
}

/** What an image's description keeps of its kernel. */
export interface KernelRecord {
  digest: Digest;
  version: string;
  loaders?: Record<Firmware, Digest> | undefined;
}

export function kernelRecord({ digest, version, loaders }: Kernel): KernelRecord {
  if (loaders === undefined) return { digest, version };
  return { digest, version, loaders: { bios: loaders.bios.digest, uefi: loaders.uefi.digest } };
}

/** The kernel where the cache has it, or would have it. */
export function cachedKernel({ digest, version, loaders }: KernelRecord, cache: Cache): Kernel {
  const file = (digest: Digest): Loader => ({ path: cache.path("kernels", nameOf(digest)), digest });
  return {
    ...file(digest),
    version,
    ...(loaders && { loaders: { bios: file(loaders.bios), uefi: file(loaders.uefi) } }),
  };
}

/** Whether the cache has the kernel and its boot loaders. */
export async function hasKernel({ digest, loaders }: KernelRecord, cache: Cache): Promise<boolean> {
  const files = [digest, ...Object.values(loaders ?? {})];
  const found = await Promise.all(files.map((file) => cache.find("kernels", nameOf(file))));
  return !found.includes(undefined);
}

async function readShipped(what: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
    throw new VisibleError(
      `The ${what} is missing: there is no "${path}". In a checkout, \`npm run build\` makes it; otherwise install pulumi-unikernel again.`,
    );
  }
}

async function cacheFile(bytes: Buffer, cache: Cache): Promise<Loader> {
  const digest: Digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  if ((await cache.find("kernels", nameOf(digest))) === undefined)
    await cache.add("kernels", nameOf(digest), (path) => writeSynced(path, bytes));
  return { path: cache.path("kernels", nameOf(digest)), digest };
}

function nameOf(digest: Digest): string {
  return digest.slice("sha256:".length);
}

function kernelSize(path: string, bytes: Buffer): number {
  try {
    return kernelMemory(parseElf((offset, length) => bytes.subarray(offset, offset + length)));
  } catch (error) {
    if (error instanceof ElfError) throw new VisibleError(`The kernel "${path}" ${error.message}.`);
    throw error;
  }
}
