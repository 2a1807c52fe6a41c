import { openImage, VisibleError, type BuiltImage, type Digest } from "../image/index.js";

/**
 * The image of a digest, from this machine's cache.
 *
 * @throws {VisibleError} when it is not there, as on a machine that has taken a stack over.
 */
export async function cachedImage(digest: string): Promise<BuiltImage> {
  const image = await openImage(digest as Digest, {});
  if (image !== undefined) return image;
  throw new VisibleError(
    `The image ${digest} is not in this machine's cache. Run the update without --target, so that its Image resource builds it here again.`,
  );
}
