import { VisibleError } from "../../errors.js";
import { guidBytes, SECTOR } from "../gpt.js";
import { ROOT_TYPES } from "../layout.js";
import { part, type RandomAccess } from "../../random-access.js";

const SIGNATURE = "EFI PART";

/** Whether a disk has a GUID partition table. */
export function isPartitioned(disk: RandomAccess): boolean {
  return disk.size >= 2 * SECTOR && disk.read(SECTOR, SIGNATURE.length).toString("latin1") === SIGNATURE;
}

/** The root partition of a disk with a GUID partition table. */
export function rootPartition(disk: RandomAccess): RandomAccess {
  const header = disk.read(SECTOR, SECTOR);
  const size = header.readUInt32LE(84);
  const table = disk.read(
    Number(header.readBigUInt64LE(72)) * SECTOR,
    Math.min(header.readUInt32LE(80) * size, 1 << 18),
  );
  const type = guidBytes(ROOT_TYPES.x86_64);
  for (let offset = 0; size >= 128 && offset + size <= table.length; offset += size) {
    const entry = table.subarray(offset, offset + size);
    if (!entry.subarray(0, 16).equals(type)) continue;
    const first = Number(entry.readBigUInt64LE(32));
    const last = Number(entry.readBigUInt64LE(40));
    return part(disk, first * SECTOR, (last - first + 1) * SECTOR);
  }
  throw new VisibleError(`"${disk.name}" is a disk without a root partition for x86-64.`);
}
