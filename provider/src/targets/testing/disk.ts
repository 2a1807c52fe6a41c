import { createCipheriv } from "node:crypto";

/** A disk, and how often it was read. */
export interface SparseDisk {
  size: number;
  extents: { offset: number; length: number }[];
  reads: number;
  read(offset: number, length: number): Promise<Buffer>;
  readInto(offset: number, target: Buffer): Promise<void>;
}

/** A disk of which only some ranges hold data, in memory. */
export function sparseDisk(size: number, pieces: { offset: number; data: Buffer }[]): SparseDisk {
  const disk = {
    size,
    extents: pieces.map(({ offset, data }) => ({ offset, length: data.length })),
    reads: 0,
    async read(offset: number, length: number) {
      const result = Buffer.alloc(length);
      await disk.readInto(offset, result);
      return result;
    },
    async readInto(offset: number, target: Buffer) {
      const { length } = target;
      if (offset < 0 || offset + length > size) throw new RangeError(`${length} bytes at ${offset}`);
      disk.reads++;
      target.fill(0);
      for (const piece of pieces) {
        const at = piece.offset - offset;
        if (at < length && at + piece.data.length > 0) piece.data.copy(target, Math.max(0, at), Math.max(0, -at));
      }
    },
  };
  return disk;
}

/** Bytes that are the same for the same seed, with no part that repeats another's. */
export function noise(length: number, seed: number): Buffer {
  // A stream cipher over zeros is by far the quickest way.
  const key = Buffer.alloc(32);
  key.writeUInt32LE(seed);
  return createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(length));
}
