/**
 * Takes a layer of a container image apart: one file with all contents, one with a list of what is where. Both are an entry of the cache, so that
 * a layer is decompressed once however many images share it.
 */
import { createHash } from "node:crypto";
import { closeSync, createReadStream, openSync, writeSync } from "node:fs";
import { mkdir, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Cache, writeSynced } from "../cache.js";
import { fsync } from "../content.js";
import { isStorableXattr } from "../erofs/xattr.js";
import { errorCode, VisibleError } from "../errors.js";
import { StreamSource } from "../tar/bytes.js";
import { readTar, type TarEntry } from "../tar/read.js";
import type { ByteString } from "../tree.js";
import { toText } from "../tree.js";
import { decompressor } from "./decompress.js";

/** A layer as it is stored. */
export interface LayerBlob {
  /** SHA-256 of the blob, in hexadecimal. */
  sha256: string;
  /** Whether `sha256` is that of the archive which the blob is decompressed to, a `diff_id`. Default: `false`. */
  isDiffId?: boolean;
  /** What messages call it. */
  name: string;
  /** The host's file that holds it, and which part of that. */
  path: string;
  offset: number;
  length: number;
}

/** One entry of a layer. */
export interface LayerEntry {
  /** Path from the root, without a slash at either end, `.` or `..`; empty for the root itself. */
  path: ByteString;
  type: TarEntry["type"];
  mode: number;
  uid: number;
  gid: number;
  mtime: number;
  mtimeNs: number;
  /** Extended attributes in base64. */
  xattrs?: [name: ByteString, value: string][];
  /** Of a file: where its content is among the layer's contents. */
  content?: { offset: number; size: number; sha256: string };
  /** Of a symlink its target; of a hard link a path like the above. */
  target?: ByteString;
  device?: [major: number, minor: number];
}

export interface UnpackedLayer {
  entries: LayerEntry[];
  /** Path of the file with all contents. */
  contents: string;
}

const CONTENTS = "contents";
const ENTRIES = "entries.json";
/** Part of the name of each entry of the cache: a change here unpacks anew. */
const UNPACKER_VERSION = 1;
const MAX_NAME = 255;

/**
 * @param progress told how many bytes of the blob have been read.
 * @throws {VisibleError} when the blob does not match its digest, is damaged, or holds a path that climbs out of the root.
 */
export async function unpackLayer(
  blob: LayerBlob,
  cache: Cache,
  options: { signal?: AbortSignal | undefined; progress?: (done: number) => void } = {},
): Promise<UnpackedLayer> {
  const name = `${UNPACKER_VERSION}-${blob.sha256}`;
  const known = await cache.find("layers", name);
  if (known !== undefined) {
    const entries = JSON.parse(await readFile(join(known, ENTRIES), "utf8")) as LayerEntry[];
    return { entries, contents: join(known, CONTENTS) };
  }
  const entries = await cache.add("layers", name, async (folder) => {
    await mkdir(folder);
    const entries = await unpack(blob, join(folder, CONTENTS), options);
    await writeSynced(join(folder, ENTRIES), JSON.stringify(entries));
    return entries;
  });
  return { entries, contents: join(cache.path("layers", name), CONTENTS) };
}

async function unpack(
  blob: LayerBlob,
  contentsPath: string,
  { signal, progress }: { signal?: AbortSignal | undefined; progress?: (done: number) => void },
): Promise<LayerEntry[]> {
  const start = await readStart(blob);
  const digest = createHash("sha256");
  let read = 0;
  const counted = async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      read += chunk.length;
      progress?.(read);
      yield chunk;
    }
  };
  const hashed = async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      digest.update(chunk);
      yield chunk;
    }
  };
  const decompressed = decompressor(start);
  const [first, second] = blob.isDiffId ? [decompressed, hashed] : [hashed, decompressed];
  const contents = new ContentsWriter(contentsPath);
  const entries: LayerEntry[] = [];
  try {
    await pipeline(
      readBlob(blob),
      counted,
      first as NodeJS.ReadWriteStream,
      second as NodeJS.ReadWriteStream,
      async (chunks) => {
        const source = new StreamSource(chunks as AsyncIterable<Buffer>);
        for await (const entry of readTar(source, blob.name))
          entries.push(await toLayerEntry(entry, contents, blob.name));
        // What follows the end of the archive belongs to the blob too.
        await source.skip(Number.MAX_SAFE_INTEGER);
      },
      { signal },
    );
    checkDigest(digest.digest("hex"), read, blob);
    await contents.finish();
    return entries;
  } catch (error) {
    signal?.throwIfAborted();
    if (errorCode(error) === "ENOSPC") throw error;
    // Damage shows up as one of many errors; that the digest does not match is the one that explains it.
    const damage = await verifyBlob(blob, start).then(
      () => error,
      (found: unknown) => found,
    );
    if (damage instanceof VisibleError || !isDecompressionError(damage)) throw damage;
    throw new VisibleError(
      `The layer ${blob.name} is damaged or cut short: it cannot be decompressed (${(damage as Error).message}).`,
    );
  } finally {
    contents.close();
  }
}

/** The contents of a layer's files, one after the other. */
class ContentsWriter {
  readonly #file: number;
  readonly #buffer = Buffer.allocUnsafe(1024 * 1024);
  #used = 0;
  position = 0;

  constructor(path: string) {
    this.#file = openSync(path, "wx");
  }

  append(chunk: Buffer): void {
    this.position += chunk.length;
    for (let done = 0; done < chunk.length;) {
      const count = chunk.copy(this.#buffer, this.#used, done);
      done += count;
      this.#used += count;
      if (this.#used === this.#buffer.length) this.#flush();
    }
  }

  async finish(): Promise<void> {
    this.#flush();
    await fsync(this.#file);
  }

  close(): void {
    closeSync(this.#file);
  }

  #flush(): void {
    for (let done = 0; done < this.#used;) done += writeSync(this.#file, this.#buffer, done, this.#used - done);
    this.#used = 0;
  }
}

async function toLayerEntry(entry: TarEntry, contents: ContentsWriter, archive: string): Promise<LayerEntry> {
  const { type, mode, uid, gid, mtime, mtimeNs } = entry;
  const path = normalize(entry.path, archive, "holds the path");
  const result: LayerEntry = { path, type, mode, uid, gid, mtime, mtimeNs };
  // Attributes that Linux does not have (macOS writes some) are left out, as container engines do.
  const xattrs = [...(entry.xattrs ?? [])].filter(
    ([name]) => isStorableXattr(name) && !name.startsWith("trusted.overlay."),
  );
  if (xattrs.length > 0) result.xattrs = xattrs.map(([name, value]) => [name, value.toString("base64")]);
  if (type === "symlink") result.target = entry.target;
  if (type === "hard link")
    result.target = normalize(entry.target, archive, `holds the hard link "${toText(entry.path)}" to`);
  if (type === "character device" || type === "block device") result.device = [entry.major, entry.minor];
  if (type === "file") {
    const offset = contents.position;
    const hash = createHash("sha256");
    for await (const chunk of entry.content()) {
      hash.update(chunk);
      contents.append(chunk);
    }
    result.content = { offset, size: contents.position - offset, sha256: hash.digest("hex") };
  }
  return result;
}

/** A path from the root in its plain form. */
function normalize(path: ByteString, archive: string, what: string): ByteString {
  const result: ByteString[] = [];
  for (const name of path.split("/")) {
    if (name === "" || name === ".") continue;
    if (name === ".." && result.pop() === undefined) {
      throw new VisibleError(
        `The layer ${archive} ${what} "${toText(path)}", which climbs out of the root directory. It will not be unpacked.`,
      );
    }
    if (name === "..") continue;
    if (name.length > MAX_NAME)
      throw new VisibleError(
        `The layer ${archive} ${what} "${toText(path)}", in which a name is longer than 255 bytes.`,
      );
    result.push(name);
  }
  return result.join("/");
}

function readBlob({ path, offset, length }: LayerBlob): Readable {
  if (length === 0) return Readable.from([]);
  return createReadStream(path, { start: offset, end: offset + length - 1, highWaterMark: 512 * 1024 });
}

async function readStart(blob: LayerBlob): Promise<Buffer> {
  const file = await open(blob.path);
  try {
    const start = Buffer.alloc(Math.min(16, blob.length));
    await file.read(start, 0, start.length, blob.offset);
    return start;
  } finally {
    await file.close();
  }
}

/** Makes sure that a blob is what its digest says. A digest of the blob itself is looked at without decompressing what may be damaged. */
async function verifyBlob(blob: LayerBlob, start: Buffer): Promise<void> {
  const hash = createHash("sha256");
  let size = 0;
  const stored = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of readBlob(blob)) {
      size += (chunk as Buffer).length;
      yield chunk as Buffer;
    }
  };
  const hashed = async (chunks: AsyncIterable<Buffer>): Promise<void> => {
    for await (const chunk of chunks) hash.update(chunk);
  };
  if (blob.isDiffId)
    await pipeline(stored, decompressor(start) as NodeJS.ReadWriteStream, (chunks) =>
      hashed(chunks as AsyncIterable<Buffer>),
    );
  else await hashed(stored());
  checkDigest(hash.digest("hex"), size, blob);
}

function checkDigest(sha256: string, size: number, blob: LayerBlob): void {
  if (sha256 === blob.sha256) return;
  const cutShort = size < blob.length ? ` and is cut short: ${size} of ${blob.length} bytes are there` : "";
  throw new VisibleError(
    `The layer ${blob.name} does not match its digest${cutShort}. Copy or pull the image again. (Found sha256:${sha256}.)`,
  );
}

function isDecompressionError(error: unknown): boolean {
  const code = errorCode(error) ?? "";
  // fzstd gives its errors small numbers as codes.
  return code.startsWith("Z_") || code.startsWith("ERR_") || typeof (error as { code?: unknown }).code === "number";
}
