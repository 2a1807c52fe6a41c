import { createHash } from "node:crypto";
import { type BigIntStats, closeSync, fstatSync, fsync as fsyncCallback, openSync, readSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { promisify } from "node:util";
import { errorCode, VisibleError } from "./errors.js";
import { type ByteString, type Content, toText } from "./tree.js";

const CHUNK = 1024 * 1024;
/** How many files are held open. */
const MAX_OPEN = 16;

/** Waits until a file is on the disk, which may take seconds, without holding up the process. */
export const fsync = promisify(fsyncCallback);

/** What must stay the same of a host file between looking at it and copying it. */
export function fileVersion(stats: BigIntStats): string {
  return `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`;
}

/** SHA-256 of a host file, in hexadecimal. */
export async function hashHostFile(path: ByteString, version: string): Promise<string> {
  const file = openHostFile(path, version);
  try {
    const hash = createHash("sha256");
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK, Math.max(1, fstatSync(file).size)));
    for (let chunks = 1; ; chunks++) {
      const count = readSync(file, buffer);
      if (count === 0) break;
      hash.update(buffer.subarray(0, count));
      if (chunks % 8 === 0) await setImmediate();
    }
    if (fileVersion(fstatSync(file, { bigint: true })) !== version) throw changed(path);
    return hash.digest("hex");
  } finally {
    closeSync(file);
  }
}

/** Reads parts of files' contents, holding the last few files open. */
export class ContentReader {
  readonly #open = new Map<ByteString, number>();

  /** Fills `target` with the content from `position` on. */
  read(content: Content, position: number, target: Buffer): void {
    if ("data" in content) {
      content.data.copy(target, 0, position, position + target.length);
      return;
    }
    const isHostFile = "hostFile" in content;
    const path = isHostFile ? content.hostFile : content.file;
    let file = this.#open.get(path);
    if (file === undefined) {
      file = isHostFile ? openHostFile(path, content.version) : openSync(path, "r");
      this.#keep(path, file);
    }
    const start = isHostFile ? position : content.offset + position;
    let done = 0;
    while (done < target.length) {
      const count = readSync(file, target, done, target.length - done, start + done);
      if (count === 0) throw isHostFile ? changed(path) : new Error(`The cache file ${path} is shorter than it was.`);
      done += count;
    }
  }

  close(): void {
    for (const file of this.#open.values()) closeSync(file);
    this.#open.clear();
  }

  #keep(path: ByteString, file: number): void {
    for (const [oldest, oldestFile] of this.#open) {
      if (this.#open.size < MAX_OPEN) break;
      closeSync(oldestFile);
      this.#open.delete(oldest);
    }
    this.#open.set(path, file);
  }
}

/** The sentence for a host file or folder that cannot be read; other errors as they are. */
export function unreadable(path: ByteString, error: unknown): Error {
  const code = errorCode(error);
  if (code === "EACCES" || code === "EPERM") {
    return new VisibleError(`"${toText(path)}" cannot be read: permission denied.`);
  }
  return error as Error;
}

function openHostFile(path: ByteString, version: string): number {
  let file: number;
  try {
    file = openSync(Buffer.from(path, "latin1"), "r");
  } catch (error) {
    throw errorCode(error) === "ENOENT" ? changed(path) : unreadable(path, error);
  }
  if (fileVersion(fstatSync(file, { bigint: true })) === version) return file;
  closeSync(file);
  throw changed(path);
}

/** The sentence for a host file that is no longer what it was a moment ago. */
export function changed(path: ByteString): VisibleError {
  return new VisibleError(
    `"${toText(path)}" changed while the image was being built. Build again when nothing writes to it.`,
  );
}
