/**
 * A folder in the OCI image layout.
 *
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.0/image-layout.md
 */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { errorCode, VisibleError } from "../../errors.js";
import type { ResolvedSource, SourceContext } from "../source.js";
import { type BlobStore, checkDocument, resolveImage } from "./image.js";
import { hexOf, isIndex, parseJson, selectTag } from "./manifest.js";

export async function resolveLayout(
  folder: string,
  tag: string | undefined,
  name: string,
  context: SourceContext,
): Promise<ResolvedSource> {
  let data: Buffer;
  try {
    data = await readFile(join(folder, "index.json"));
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
    throw new VisibleError(
      `The folder "${name}" is not an OCI image layout: it has no index.json. To run what is in the folder itself, use a directory source.`,
    );
  }
  const index = parseJson(data, `"${name}/index.json"`);
  if (!isIndex(index)) throw new VisibleError(`"${name}/index.json" is damaged: it lists no manifests.`);
  return resolveImage(layoutStore(folder, name), selectTag(index, tag, name), context);
}

function layoutStore(folder: string, name: string): BlobStore {
  const blobPath = (digest: string): string => join(folder, "blobs", "sha256", hexOf(digest, `The image "${name}"`));
  const missing = (digest: string): VisibleError =>
    new VisibleError(`The image "${name}" is incomplete: the blob ${digest} is not there. Copy it again.`);
  return {
    name: `"${name}"`,
    readDocument: async (descriptor) => {
      try {
        return checkDocument(await readFile(blobPath(descriptor.digest)), descriptor, `The image "${name}"`);
      } catch (error) {
        throw errorCode(error) === "ENOENT" ? missing(descriptor.digest) : error;
      }
    },
    locate: async (descriptor) => {
      const path = blobPath(descriptor.digest);
      try {
        await stat(path);
      } catch (error) {
        throw errorCode(error) === "ENOENT" ? missing(descriptor.digest) : error;
      }
      return { path, offset: 0, length: descriptor.size };
    },
  };
}
