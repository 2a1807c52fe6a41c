import { VisibleError } from "../errors.js";
import type { Source } from "../types.js";
import { resolveBinary } from "./binary.js";
import { resolveBundle } from "./bundle.js";
import { resolveContainer } from "./container/container.js";
import { resolveDirectory } from "./directory.js";
import type { ResolvedSource, SourceContext } from "./source.js";

/** Looks at a source, as far as is needed to tell whether it has changed. */
export async function resolveSource(source: Source, context: SourceContext): Promise<ResolvedSource> {
  if ("directory" in source) return resolveDirectory(source.directory, source.command, context);
  if ("binary" in source) return resolveBinary(source.binary, context);
  if ("container" in source) return resolveContainer(source.container, context);
  if ("bundle" in source) return resolveBundle(source.bundle, source.runtime, context);
  throw new VisibleError(
    "The source must have one of: container, binary, directory (with command), bundle (with runtime).",
  );
}
