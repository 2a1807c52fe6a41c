import { createHash } from "node:crypto";

/** The one size of block that the EBS direct APIs know, in bytes. */
export const BLOCK_SIZE = 512 * 1024;
/** Blocks in a GiB, the unit of a volume's size. */
export const BLOCKS_PER_GIB = 2048;
export const GIB = 1024 ** 3;

/** What is read while a snapshot is written: a boot disk. */
export interface BlockSource {
  /** Bytes. */
  readonly size: number;
  /** Ranges that hold data, ascending; everything else reads as zeros. */
  readonly extents: readonly { offset: number; length: number }[];
  /** Reads as many bytes as the target is long. */
  readInto(offset: number, target: Buffer): Promise<void>;
}

/** The blocks that may hold anything but zeros, ascending. */
export function* dataBlocks(extents: BlockSource["extents"]): Generator<number> {
  let next = 0;
  for (const { offset, length } of extents) {
    if (length === 0) continue;
    const last = Math.floor((offset + length - 1) / BLOCK_SIZE);
    for (let index = Math.max(next, Math.floor(offset / BLOCK_SIZE)); index <= last; index++) yield index;
    next = Math.max(next, last + 1);
  }
}

/** Reads a block, filled up with zeros where the disk ends within it. */
export async function readBlock(source: BlockSource, index: number, block: Buffer): Promise<void> {
  const offset = index * BLOCK_SIZE;
  const length = Math.max(0, Math.min(BLOCK_SIZE, source.size - offset));
  await source.readInto(offset, block.subarray(0, length));
  block.fill(0, length);
}

const ZEROS = Buffer.alloc(BLOCK_SIZE);

export function isZero(block: Buffer): boolean {
  return block.equals(ZEROS);
}

export function sha256(data: Uint8Array): Buffer {
  return createHash("sha256").update(data).digest();
}

/** Bytes that are kept of each block's SHA-256: enough that no two blocks that differ will ever agree in them. */
const KEPT = 16;

/**
 * Digests of a disk's blocks, by which the next version of the disk finds out which of its blocks have changed. Zero blocks have none. As text it takes
 * about 22 characters a block.
 */
export class BlockDigests {
  readonly #digests = new Map<number, Buffer>();

  /** @throws {RangeError} when the text is not what {@link toString} gives. */
  static parse(text: string): BlockDigests {
    const result = new BlockDigests();
    const bytes = Buffer.from(text, "base64");
    for (let at = 0; at < bytes.length;) {
      const first = bytes.readUInt32BE(at);
      const count = bytes.readUInt32BE(at + 4);
      at += 8;
      if (at + count * KEPT > bytes.length) throw new RangeError("the block digests are cut off");
      for (let i = 0; i < count; i++, at += KEPT) result.#digests.set(first + i, bytes.subarray(at, at + KEPT));
    }
    return result;
  }

  /** Runs of neighbouring blocks: the first index, how many, and their digests. */
  toString(): string {
    const parts: Buffer[] = [];
    const indices = [...this.indices()];
    for (let i = 0; i < indices.length;) {
      const first = indices[i] ?? 0;
      let count = 1;
      while (indices[i + count] === first + count) count++;
      const head = Buffer.alloc(8);
      head.writeUInt32BE(first, 0);
      head.writeUInt32BE(count, 4);
      parts.push(head, ...indices.slice(i, i + count).map((index) => this.#digests.get(index) as Buffer));
      i += count;
    }
    return Buffer.concat(parts).toString("base64");
  }

  set(index: number, digest: Uint8Array): void {
    this.#digests.set(index, Buffer.from(digest.subarray(0, KEPT)));
  }

  has(index: number): boolean {
    return this.#digests.has(index);
  }

  /** Whether this is the digest of that block. */
  matches(index: number, digest: Uint8Array): boolean {
    return this.#digests.get(index)?.equals(digest.subarray(0, KEPT)) ?? false;
  }

  /** The blocks that are not all zeros, ascending. */
  indices(): number[] {
    return [...this.#digests.keys()].sort((a, b) => a - b);
  }

  get count(): number {
    return this.#digests.size;
  }
}
