import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { VisibleError } from "../../errors.js";
import type { ResolvedSource, SourceContext } from "../source.js";
import { resolveArchive } from "./archive.js";
import { resolveLayout } from "./layout.js";
import { resolveReference } from "./pull.js";

/** Tells the forms of a container source apart and looks the image up. */
export async function resolveContainer(container: string, context: SourceContext): Promise<ResolvedSource> {
  const local = await findLocal(container, context.baseDir);
  if (local?.kind === "layout") return resolveLayout(local.path, local.tag, local.name, context);
  if (local?.kind === "archive") return resolveArchive(local.path, local.tag, local.name, context);
  if (isPath(container))
    throw new VisibleError(
      `The container image "${container}" does not exist (looked for "${resolve(context.baseDir, container)}").`,
    );
  return resolveReference(container, context);
}

interface Local {
  kind: "layout" | "archive";
  /** As the user wrote it, without the tag. */
  name: string;
  path: string;
  tag: string | undefined;
}

/** A folder or an archive of that name, or of that name without `:tag`. */
async function findLocal(container: string, baseDir: string): Promise<Local | undefined> {
  const [, untagged, tag] = /^(.+):([\w][\w.-]*)$/.exec(container) ?? [];
  for (const [name, wantedTag] of [
    [container, undefined],
    [untagged, tag],
  ]) {
    if (name === undefined) continue;
    const path = resolve(baseDir, name);
    const stats = await stat(path).catch(() => undefined);
    if (stats?.isFile()) return { kind: "archive", name, path, tag: wantedTag };
    // A folder that just happens to be called like an image is not meant, unless it is written as a path.
    if (stats?.isDirectory() && (isPath(name) || (await stat(join(path, "index.json")).catch(() => undefined)))) {
      return { kind: "layout", name, path, tag: wantedTag };
    }
  }
  return undefined;
}

export function isPath(container: string): boolean {
  return /^\.{0,2}\//.test(container) || container === "." || container === "..";
}
