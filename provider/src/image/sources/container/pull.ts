import { createHash } from "node:crypto";
import { open, readFile } from "node:fs/promises";
import { writeSynced } from "../../cache.js";
import { VisibleError } from "../../errors.js";
import type { ResolvedSource, SourceContext } from "../source.js";
import { type BlobStore, checkDocument, resolveImage } from "./image.js";
import { type Descriptor, hexOf } from "./manifest.js";
import { parseReference, type Reference } from "./reference.js";
import { Registry } from "./registry.js";

/** An image in a registry. Everything that has a digest is fetched once and kept in the cache; a tag is looked up each time. */
export async function resolveReference(text: string, context: SourceContext): Promise<ResolvedSource> {
  const reference = parseReference(text);
  const registry = new Registry(reference, context.signal);
  const digest = reference.digest ?? (await resolveTag(registry, reference, context));
  const store = registryStore(registry, reference, context);
  return resolveImage(store, { manifests: [{ digest, size: 0 }] }, context);
}

async function resolveTag(registry: Registry, reference: Reference, context: SourceContext): Promise<string> {
  context.progress?.({ step: "resolve", message: `looking up ${reference.text}` });
  const manifest = await registry.manifest(reference.tag ?? "latest");
  const sha256 = createHash("sha256").update(manifest).digest("hex");
  await addBlob(sha256, manifest, context);
  return `sha256:${sha256}`;
}

function registryStore(registry: Registry, reference: Reference, context: SourceContext): BlobStore {
  const name = `"${reference.text}"`;
  const { cache } = context;
  return {
    name,
    readDocument: async (descriptor, isManifest) => {
      const sha256 = hexOf(descriptor.digest, name);
      const known = await cache.find("blobs", sha256);
      if (known !== undefined) return readFile(known);
      const data = await (isManifest ? registry.manifest(descriptor.digest) : registry.blob(descriptor.digest));
      checkDocument(data, descriptor, name);
      await addBlob(sha256, data, context);
      return data;
    },
    locate: async (descriptor, progress) => {
      const sha256 = hexOf(descriptor.digest, name);
      if ((await cache.find("blobs", sha256)) === undefined) {
        await cache.add("blobs", sha256, (path) => download(registry, descriptor, path, name, progress));
      }
      progress(descriptor.size);
      return { path: cache.path("blobs", sha256), offset: 0, length: descriptor.size };
    },
  };
}

async function addBlob(sha256: string, data: Buffer, { cache }: SourceContext): Promise<void> {
  if ((await cache.find("blobs", sha256)) === undefined)
    await cache.add("blobs", sha256, (path) => writeSynced(path, data));
}

async function download(
  registry: Registry,
  descriptor: Descriptor,
  path: string,
  name: string,
  progress: (done: number) => void,
): Promise<void> {
  const file = await open(path, "wx");
  try {
    let hash = createHash("sha256");
    let length = 0;
    await registry.download(descriptor.digest, descriptor.size, async (chunk, position) => {
      if (position !== length) {
        hash = createHash("sha256");
        await file.truncate(0);
      }
      hash.update(chunk);
      for (let done = 0; done < chunk.length;) {
        done += (await file.write(chunk, done, chunk.length - done, position + done)).bytesWritten;
      }
      length = position + chunk.length;
      progress(length);
    });
    const found = hash.digest("hex");
    if (`sha256:${found}` !== descriptor.digest) {
      throw new VisibleError(
        `The registry sent a layer of ${name} that does not match its digest ${descriptor.digest} (found sha256:${found}). Try again; if it stays so, the image is damaged.`,
      );
    }
    await file.sync();
  } finally {
    await file.close();
  }
}
