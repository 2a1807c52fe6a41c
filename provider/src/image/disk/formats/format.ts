import type { BootDisk } from "../boot-disk.js";

/** Bytes, and where in the file they go. */
export interface Part {
  offset: number;
  data: Buffer;
}

/** How a disk is written to a file that a hypervisor or a cloud takes. */
export interface Format {
  /** The size of a disk in this format is a multiple of this many bytes. */
  roundTo: number;
  /** The file, in order; what no part covers is zero. The file ends with the last part. */
  encode(disk: BootDisk): AsyncIterable<Part>;
}

export const MIB = 1024 ** 2;

/** Numbers parts of a file without holes. */
export async function* inOrder(pieces: AsyncIterable<Buffer>): AsyncGenerator<Part> {
  let offset = 0;
  for await (const data of pieces) {
    yield { offset, data };
    offset += data.length;
  }
}

/** A disk's data in pieces of at most `size` bytes that begin at multiples of `unit` and are as long as one, the last of the disk excepted. */
export async function* dataInUnits(disk: BootDisk, unit: number, size: number): AsyncGenerator<Part> {
  for (const { start, end } of unitRanges(disk, unit)) {
    const last = Math.min(end * unit, disk.size);
    for (let offset = start * unit; offset < last; offset += size) {
      yield { offset, data: await disk.read(offset, Math.min(size, last - offset)) };
    }
  }
}

/** The ranges of units that hold data, from `start` up to but not including `end`. */
export function unitRanges(disk: BootDisk, unit: number): { start: number; end: number }[] {
  const ranges: { start: number; end: number }[] = [];
  for (const { offset, length } of disk.extents) {
    const start = Math.floor(offset / unit);
    const end = Math.ceil((offset + length) / unit);
    const last = ranges.at(-1);
    if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end);
    else ranges.push({ start, end });
  }
  return ranges;
}
