import { join } from "node:path";
import { Cache } from "../cache.js";
import type { SourceContext } from "../sources/source.js";
import type { BuildContext } from "../types.js";
import { temporaryDirectory } from "./temporary.js";

/** A place of its own to build in. Any program serves as the kernel. */
export function buildContext(baseDir = temporaryDirectory()): BuildContext & { cacheDir: string } {
  const cacheDir = join(temporaryDirectory(), "cache");
  return { baseDir, cacheDir, kernel: { path: "/bin/true", version: "1.2.3" } };
}

export async function sourceContext(baseDir?: string): Promise<SourceContext> {
  const context = buildContext(baseDir);
  return { ...context, cache: await Cache.open(context.cacheDir) };
}
