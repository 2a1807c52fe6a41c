import { VisibleError } from "./errors.js";
import type { BuildContext, BuiltImage, Digest, ImageSpec } from "./types.js";

/**
 * Builds an image, or finds it in the cache when nothing that it is made of has changed.
 *
 * @throws {VisibleError} when the source cannot be made into an image; the message says why.
 */
export async function buildImage(_spec: ImageSpec, _context: BuildContext): Promise<BuiltImage> {
  throw new VisibleError("Images cannot be built yet.");
}

/** The image of this digest, from the cache only. */
export async function openImage(_digest: Digest, _context: Pick<BuildContext, "cacheDir">): Promise<BuiltImage | undefined> {
  return undefined;
}
