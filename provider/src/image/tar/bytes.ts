import type { FileHandle } from "node:fs/promises";

/** A run of bytes that is read from its beginning to its end. */
export interface ByteSource {
  /** How many bytes have been read or skipped. */
  readonly position: number;
  /** The next bytes: at least one and at most `max`; undefined at the end. Valid until the next call. */
  some(max: number): Promise<Buffer | undefined>;
  /** Leaves bytes out; stops at the end. */
  skip(length: number): Promise<void>;
}

/** The next `length` bytes, or fewer at the end. */
export async function exactly(source: ByteSource, length: number): Promise<Buffer> {
  const first = await source.some(length);
  if (first === undefined || first.length === length) return first ?? Buffer.alloc(0);
  const parts = [Buffer.from(first)];
  let missing = length - first.length;
  while (missing > 0) {
    const part = await source.some(missing);
    if (part === undefined) break;
    parts.push(Buffer.from(part));
    missing -= part.length;
  }
  return Buffer.concat(parts);
}

/** The bytes of a stream. */
export class StreamSource implements ByteSource {
  readonly #chunks: AsyncIterator<Buffer>;
  #chunk: Buffer = Buffer.alloc(0);
  position = 0;

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  async some(max: number): Promise<Buffer | undefined> {
    while (this.#chunk.length === 0) {
      const next = await this.#chunks.next();
      if (next.done === true) return undefined;
      this.#chunk = next.value;
    }
    const part = this.#chunk.subarray(0, max);
    this.#chunk = this.#chunk.subarray(part.length);
    this.position += part.length;
    return part;
  }

  async skip(length: number): Promise<void> {
    for (let missing = length; missing > 0;) {
      const part = await this.some(missing);
      if (part === undefined) return;
      missing -= part.length;
    }
  }
}

/** The bytes of a file, where skipping costs nothing. */
export class FileSource implements ByteSource {
  readonly #file: FileHandle;
  readonly #buffer = Buffer.alloc(64 * 1024);
  position = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async some(max: number): Promise<Buffer | undefined> {
    const { bytesRead } = await this.#file.read(this.#buffer, 0, Math.min(max, this.#buffer.length), this.position);
    this.position += bytesRead;
    return bytesRead === 0 ? undefined : this.#buffer.subarray(0, bytesRead);
  }

  async skip(length: number): Promise<void> {
    this.position += length;
  }
}
