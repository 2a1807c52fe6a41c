/**
 * An image in one tar archive: what `docker save`, `podman save`, `skopeo` and `buildah` write. New ones hold an OCI image
 * layout, old ones, and those of crane, kaniko, ko and Jib, Docker's own `manifest.json`.
 */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { fileVersion } from "../../content.js";
import { VisibleError } from "../../errors.js";
import { isGzip } from "../../layers/decompress.js";
import { FileSource } from "../../tar/bytes.js";
import { readTar } from "../../tar/read.js";
import { toText } from "../../tree.js";
import type { ResolvedSource, SourceContext } from "../source.js";
import { type BlobStore, checkDocument, loadImage, resolveImage } from "./image.js";
import {
  checkPlatform,
  type Descriptor,
  hexOf,
  type ImageConfiguration,
  isIndex,
  parseJson,
  selectTag,
} from "./manifest.js";

/** What `docker save` wrote before it wrote OCI image layouts. */
interface DockerManifest {
  Config: string;
  RepoTags?: string[] | null;
  Layers: string[];
}

export async function resolveArchive(
  path: string,
  tag: string | undefined,
  name: string,
  context: SourceContext,
): Promise<ResolvedSource> {
  const archive = await Archive.open(await decompressed(path, name, context), name);
  const index = await archive.readJson("index.json");
  if (isIndex(index)) return resolveImage(layoutStore(archive, name), selectTag(index, tag, name), context);
  const manifest = await archive.readJson("manifest.json");
  if (Array.isArray(manifest)) return resolveDockerManifest(archive, manifest as DockerManifest[], tag, name, context);
  throw new VisibleError(
    `"${name}" is not a container image: the archive has neither an index.json nor a manifest.json. Make one with \`docker save\`.`,
  );
}

async function resolveDockerManifest(
  archive: Archive,
  manifests: DockerManifest[],
  tag: string | undefined,
  name: string,
  context: SourceContext,
): Promise<ResolvedSource> {
  const tags = manifests.flatMap(({ RepoTags }) => RepoTags ?? []);
  const chosen =
    tag === undefined
      ? manifests
      : manifests.filter(({ RepoTags }) => RepoTags?.some((name) => name.endsWith(`:${tag}`)));
  const [image, ...others] = chosen;
  if (!image) throw new VisibleError(`"${name}" holds no image with the tag "${tag}", only ${tags.join(", ")}.`);
  if (others.length > 0)
    throw new VisibleError(`"${name}" holds several images: ${tags.join(", ")}. Save one image only.`);

  const document = await archive.read(image.Config);
  if (!document)
    throw new VisibleError(`The archive "${name}" is incomplete: ${image.Config} is not in it. Save or copy it again.`);
  const configuration = parseJson(document, `The configuration of "${name}"`) as ImageConfiguration;
  checkPlatform(configuration, `"${name}"`);
  const diffIds = configuration.rootfs?.diff_ids ?? [];
  if (diffIds.length !== image.Layers.length) {
    throw new VisibleError(
      `The archive "${name}" is damaged: it has ${image.Layers.length} layers, and its configuration lists ${diffIds.length}.`,
    );
  }
  // The manifest has no digests of its layers, which Docker stores uncompressed and others do not; the configuration has those of their archives.
  const layers = diffIds.map((digest, number): Descriptor => ({
    digest,
    size: archive.find(image.Layers[number] as string)?.length ?? 0,
  }));
  const store: BlobStore = {
    name: `"${name}"`,
    readDocument: async () => document,
    locate: async (descriptor) => ({
      ...archive.locate(image.Layers[diffIds.indexOf(descriptor.digest)] as string),
      isDiffId: true,
    }),
  };
  return {
    name: store.name,
    key: JSON.stringify(["container", createHash("sha256").update(document).digest("hex")]),
    load: () => loadImage(store, configuration, layers, context),
  };
}

function layoutStore(archive: Archive, name: string): BlobStore {
  const blobPath = (digest: string): string => `blobs/sha256/${hexOf(digest, `The image "${name}"`)}`;
  return {
    name: `"${name}"`,
    readDocument: async (descriptor) => {
      const data = await archive.read(blobPath(descriptor.digest));
      if (!data) throw archive.incomplete(blobPath(descriptor.digest));
      return checkDocument(data, descriptor, `The image "${name}"`);
    },
    locate: async (descriptor) => archive.locate(blobPath(descriptor.digest)),
  };
}

interface Part {
  offset: number;
  length: number;
}

/** The files of an uncompressed archive, by name. */
class Archive {
  readonly #path: string;
  readonly #name: string;
  readonly #parts: Map<string, Part>;
  readonly #size: number;

  private constructor(path: string, name: string, parts: Map<string, Part>, size: number) {
    this.#path = path;
    this.#name = name;
    this.#parts = parts;
    this.#size = size;
  }

  static async open(path: string, name: string): Promise<Archive> {
    const file = await open(path);
    try {
      const parts = new Map<string, Part>();
      const links: [from: string, to: string][] = [];
      const source = new FileSource(file);
      for await (const entry of readTar(source, `"${name}"`)) {
        const entryPath = normalize(toText(entry.path));
        if (entry.type === "file") parts.set(entryPath, { offset: source.position, length: entry.size });
        // Old versions of Docker store a layer that occurs twice as a link to the first.
        if (entry.type === "symlink") links.push([entryPath, normalize(`${entryPath}/../${toText(entry.target)}`)]);
        if (entry.type === "hard link") links.push([entryPath, normalize(toText(entry.target))]);
      }
      for (const [from, to] of links) {
        const part = parts.get(to);
        if (part) parts.set(from, part);
      }
      return new Archive(path, name, parts, (await file.stat()).size);
    } finally {
      await file.close();
    }
  }

  find(path: string): Part | undefined {
    return this.#parts.get(normalize(path));
  }

  locate(path: string): { path: string; offset: number; length: number } {
    const part = this.find(path);
    if (!part) throw this.incomplete(path);
    this.#checkWhole(part);
    return { path: this.#path, ...part };
  }

  /** The content of a small file. */
  async read(path: string): Promise<Buffer | undefined> {
    const part = this.find(path);
    if (!part) return undefined;
    this.#checkWhole(part);
    let file: FileHandle | undefined;
    try {
      file = await open(this.#path);
      const data = Buffer.alloc(part.length);
      await file.read(data, 0, data.length, part.offset);
      return data;
    } finally {
      await file?.close();
    }
  }

  async readJson(path: string): Promise<unknown> {
    const data = await this.read(path);
    return data && parseJson(data, `"${path}" in the archive "${this.#name}"`);
  }

  incomplete(path: string): VisibleError {
    return new VisibleError(`The archive "${this.#name}" is incomplete: ${path} is not in it. Save or copy it again.`);
  }

  #checkWhole({ offset, length }: Part): void {
    if (offset + length > this.#size)
      throw new VisibleError(`The archive "${this.#name}" is cut short. Save or copy it again.`);
  }
}

function normalize(path: string): string {
  const names: string[] = [];
  for (const name of path.split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  return names.join("/");
}

/** Parts of a gzipped archive cannot be read alone, so the cache keeps it decompressed. */
async function decompressed(path: string, name: string, context: SourceContext): Promise<string> {
  const file = await open(path);
  let version: string;
  try {
    const start = Buffer.alloc(2);
    await file.read(start, 0, 2, 0);
    if (!isGzip(start)) return path;
    version = fileVersion(await file.stat({ bigint: true }));
  } finally {
    await file.close();
  }
  const { cache, progress, signal } = context;
  const entry = `archive-${createHash("sha256").update(`${path} ${version}`).digest("hex")}`;
  const known = await cache.find("blobs", entry);
  if (known !== undefined) return known;
  progress?.({ step: "unpack", message: `decompressing "${name}"` });
  await cache.add("blobs", entry, async (target) => {
    try {
      await pipeline(
        createReadStream(path),
        createGunzip({ chunkSize: 256 * 1024 }),
        createWriteStream(target, { flush: true }),
        { signal },
      );
    } catch (error) {
      if (!String((error as { code?: unknown }).code).startsWith("Z_")) throw error;
      throw new VisibleError(
        `The archive "${name}" is cut short or damaged: it cannot be decompressed (${(error as Error).message}).`,
      );
    }
  });
  return cache.path("blobs", entry);
}
