import { inflateSync } from "node:zlib";
import { VisibleError } from "../../errors.js";
import { VMDK_ENTRIES, VMDK_GRAIN, VMDK_MAGIC } from "../formats/vmdk.js";
import { SECTOR } from "../gpt.js";
import { inUnits, type RandomAccess } from "../../random-access.js";

const COMPRESSED = 1 << 16;
/** Grains that are kept once they are decompressed. */
const KEPT = 256;

/** The disk in a stream-optimized VMDK. */
export function vmdkDisk(file: RandomAccess): RandomAccess {
  // The last header is the one that knows where the directory is; only the marker of the stream's end is behind it.
  const header = file.read(file.size - 2 * SECTOR, SECTOR);
  if (
    header.readUInt32LE(0) !== VMDK_MAGIC ||
    (header.readUInt32LE(8) & COMPRESSED) === 0 ||
    Number(header.readBigUInt64LE(20)) * SECTOR !== VMDK_GRAIN ||
    header.readUInt32LE(44) !== VMDK_ENTRIES
  ) {
    throw new VisibleError(`"${file.name}" is a VMDK that is cut short, or of a kind that unikernel does not write.`);
  }
  const size = Number(header.readBigUInt64LE(12)) * SECTOR;
  const count = Math.ceil(size / VMDK_GRAIN / VMDK_ENTRIES);
  const directory = file.read(Number(header.readBigUInt64LE(56)) * SECTOR, count * 4);
  const tables = Array.from({ length: count }, (_, index) => {
    const sector = directory.readUInt32LE(index * 4);
    return sector === 0 ? undefined : file.read(sector * SECTOR, VMDK_ENTRIES * 4);
  });
  const kept = new Map<number, Buffer>();
  return inUnits(file.name, size, VMDK_GRAIN, (grain) => {
    const known = kept.get(grain);
    if (known !== undefined) return known;
    const sector = tables[Math.floor(grain / VMDK_ENTRIES)]?.readUInt32LE((grain % VMDK_ENTRIES) * 4) ?? 0;
    if (sector === 0) return undefined;
    const length = file.read(sector * SECTOR, 12).readUInt32LE(8);
    const data = decompress(file, sector * SECTOR + 12, length);
    if (kept.size >= KEPT) kept.clear();
    kept.set(grain, data);
    return data;
  });
}

function decompress(file: RandomAccess, offset: number, length: number): Buffer {
  try {
    return inflateSync(file.read(offset, length), { maxOutputLength: VMDK_GRAIN });
  } catch (error) {
    if (error instanceof VisibleError) throw error;
    throw new VisibleError(`"${file.name}" is damaged: what it has compressed at byte ${offset} cannot be read.`);
  }
}
