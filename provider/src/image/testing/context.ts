import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Cache } from "../cache.js";
import type { SourceContext } from "../sources/source.js";
import type { BuildContext } from "../types.js";
import { temporaryDirectory } from "./temporary.js";

/** A place of its own to build in. Any program serves as the kernel, and any bytes as its loaders. */
export function buildContext(
  baseDir = temporaryDirectory(),
  folder = temporaryDirectory(),
): BuildContext & { cacheDir: string } {
  const loaders = { bios: join(folder, "loader.bios"), uefi: join(folder, "loader.efi") };
  writeFileSync(loaders.bios, biosLoader());
  writeFileSync(loaders.uefi, "MZ any bytes");
  return { baseDir, cacheDir: join(folder, "cache"), kernel: { path: "/bin/true", version: "1.2.3", loaders } };
}

/** Two sectors with the mark behind which the kernel's place is written. */
function biosLoader(): Buffer {
  const loader = Buffer.alloc(1024, 0x90);
  loader.write("unikernl", 512 + 8);
  return loader;
}

export async function sourceContext(baseDir?: string): Promise<SourceContext> {
  const context = buildContext(baseDir);
  return { ...context, cache: await Cache.open(context.cacheDir) };
}
