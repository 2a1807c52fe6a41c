/**
 * Reads tar archives. A library would do for the outside of an archive, but none for Node.js keeps what layers of containers
 * hold: binary extended attributes, names that are not UTF-8, sparse files in all their forms.
 */
import { VisibleError } from "../errors.js";
import type { ByteString } from "../tree.js";
import { type ByteSource, exactly } from "./bytes.js";
import { parseHeader, parseSparseRecord, type RawHeader, RECORD, type SparsePart } from "./header.js";
import { parsePax, type PaxRecords, type PaxSparse } from "./pax.js";

export interface TarEntry {
  path: ByteString;
  type: "file" | "directory" | "symlink" | "hard link" | "character device" | "block device" | "fifo";
  mode: number;
  uid: number;
  gid: number;
  mtime: number;
  mtimeNs: number;
  /** Length of the content. */
  size: number;
  /** Of a symlink its target, of a hard link the path of the other name. */
  target: ByteString;
  major: number;
  minor: number;
  xattrs?: Map<ByteString, Buffer>;
  /** The content, to be read before the next entry. A chunk is valid until the next one. */
  content(): AsyncGenerator<Buffer, void>;
}

const TYPES: Record<string, TarEntry["type"]> = {
  "\0": "file",
  "0": "file",
  "1": "hard link",
  "2": "symlink",
  "3": "character device",
  "4": "block device",
  "5": "directory",
  "6": "fifo",
  "7": "file",
  D: "directory",
  S: "file",
};

/** No extended header is longer; one that claims to be is damage. */
const MAX_METADATA = 16 * 1024 * 1024;
const ZEROS = Buffer.alloc(64 * 1024);

/**
 * The entries of an archive.
 *
 * @param name what messages call the archive.
 * @throws {VisibleError} when the archive is cut short or no tar archive.
 */
export async function* readTar(source: ByteSource, name: string): AsyncGenerator<TarEntry, void> {
  let global: PaxRecords = {};
  let local: PaxRecords = {};
  for (;;) {
    const record = await exactly(source, RECORD);
    if (record.length === 0 || (record.length === RECORD && record.every((byte) => byte === 0))) return;
    if (record.length < RECORD) throw cutShort(name);
    const header = parseHeader(record);
    if (!header)
      throw new VisibleError(
        `The archive ${name} is damaged or is not a tar archive: it has no header at byte ${source.position - RECORD}.`,
      );

    if (header.type === "x" || header.type === "g") {
      const records = parsePax(await metadata(source, header, name));
      if (!records) throw damaged(name, source);
      if (header.type === "g") global = { ...global, ...records };
      else local = { ...local, ...records };
    } else if (header.type === "L") {
      local.path = untilNul(await metadata(source, header, name));
    } else if (header.type === "K") {
      local.linkPath = untilNul(await metadata(source, header, name));
    } else {
      yield* readEntry(source, header, { ...global, ...local }, name);
      local = {};
    }
  }
}

async function* readEntry(
  source: ByteSource,
  header: RawHeader,
  pax: PaxRecords,
  name: string,
): AsyncGenerator<TarEntry, void> {
  const rawPath = pax.sparse?.name ?? pax.path ?? header.name;
  const known = TYPES[header.type];
  // Before POSIX, a directory was a file whose name ends in a slash.
  const type = known === "file" && rawPath.endsWith("/") ? "directory" : known;
  const hasContent = type === "file" || type === undefined;
  const stored = hasContent ? (pax.size ?? header.size) : 0;
  if (!Number.isSafeInteger(stored) || stored < 0) throw damaged(name, source);
  const isGnuSparse = header.type === "S";
  const gnuParts = isGnuSparse ? await gnuSparseParts(source, header, name) : undefined;
  const start = source.position;
  if (type !== undefined) {
    const sparse: PaxSparse | undefined = gnuParts
      ? { parts: gnuParts, size: header.sparse.size, mapInData: false }
      : pax.sparse;
    const parts = sparse?.mapInData === true ? await sparseMap(source, name) : sparse?.parts;
    const size = sparse?.size ?? stored;
    if (parts && !isValidMap(parts, size, stored - (source.position - start))) throw damaged(name, source);
    yield {
      path: rawPath,
      type,
      mode: header.mode,
      uid: pax.uid ?? header.uid,
      gid: pax.gid ?? header.gid,
      mtime: pax.mtime?.seconds ?? header.mtime,
      mtimeNs: pax.mtime?.nanoseconds ?? 0,
      size: type === "file" ? size : 0,
      target: pax.linkPath ?? header.linkName,
      major: header.major,
      minor: header.minor,
      ...(pax.xattrs ? { xattrs: pax.xattrs } : {}),
      content: () => readContent(source, parts ?? [{ offset: 0, length: stored }], size, name),
    };
  }
  await source.skip(Math.ceil(stored / RECORD) * RECORD - (source.position - start));
}

async function* readContent(
  source: ByteSource,
  parts: SparsePart[],
  size: number,
  name: string,
): AsyncGenerator<Buffer, void> {
  let position = 0;
  for (const { offset, length } of [...parts, { offset: size, length: 0 }]) {
    for (; position < offset; position += Math.min(ZEROS.length, offset - position)) {
      yield ZEROS.subarray(0, Math.min(ZEROS.length, offset - position));
    }
    for (let missing = length; missing > 0;) {
      const chunk = await source.some(missing);
      if (chunk === undefined) throw cutShort(name);
      missing -= chunk.length;
      position += chunk.length;
      yield chunk;
    }
  }
}

async function gnuSparseParts(source: ByteSource, header: RawHeader, name: string): Promise<SparsePart[]> {
  const parts = [...header.sparse.parts];
  for (let more = header.sparse.more; more;) {
    const record = await exactly(source, RECORD);
    if (record.length < RECORD) throw cutShort(name);
    const next = parseSparseRecord(record);
    parts.push(...next.parts);
    more = next.more;
  }
  return parts;
}

/** The map of version 1.0: decimal numbers in lines, the first of them how many parts there are, filled up to a whole record. */
async function sparseMap(source: ByteSource, name: string): Promise<SparsePart[]> {
  let text = "";
  for (;;) {
    const record = await exactly(source, RECORD);
    if (record.length < RECORD) throw cutShort(name);
    text += record.toString("latin1");
    if (text.length > MAX_METADATA) throw damaged(name, source);
    const [count, ...numbers] = text.split("\n").slice(0, -1).map(Number);
    if (count === undefined || numbers.length < 2 * count) continue;
    return Array.from({ length: count }, (_, index) => ({
      offset: numbers[2 * index] as number,
      length: numbers[2 * index + 1] as number,
    }));
  }
}

/** Whether the parts are in order, within the file, and all of what is stored. */
function isValidMap(parts: SparsePart[], size: number, stored: number): boolean {
  let end = 0;
  let sum = 0;
  for (const { offset, length } of parts) {
    if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || length < 0 || offset < end) return false;
    end = offset + length;
    sum += length;
  }
  return end <= size && sum <= stored;
}

async function metadata(source: ByteSource, header: RawHeader, name: string): Promise<Buffer> {
  if (!(header.size >= 0 && header.size <= MAX_METADATA)) throw damaged(name, source);
  const data = Buffer.from(await exactly(source, header.size));
  if (data.length < header.size) throw cutShort(name);
  await source.skip(Math.ceil(header.size / RECORD) * RECORD - header.size);
  return data;
}

function untilNul(data: Buffer): ByteString {
  const end = data.indexOf(0);
  return data.toString("latin1", 0, end < 0 ? data.length : end);
}

function cutShort(name: string): VisibleError {
  return new VisibleError(`The archive ${name} is cut short. Copy or pull it again.`);
}

function damaged(name: string, source: ByteSource): VisibleError {
  return new VisibleError(`The archive ${name} is damaged near byte ${source.position}. Copy or pull it again.`);
}
