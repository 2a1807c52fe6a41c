import { VisibleError } from "../../errors.js";
import { QCOW2_CLUSTER, QCOW2_ENTRIES } from "../formats/qcow2.js";
import { inUnits, type RandomAccess } from "../../random-access.js";

const OFFSET = 0x00fffffffffffe00n;
const COMPRESSED = 1n << 62n;

/** The disk in a qcow2 file of the kind that this package writes. */
export function qcow2Disk(file: RandomAccess): RandomAccess {
  const header = file.read(0, 104);
  const hasBacking = header.readBigUInt64BE(8) !== 0n;
  const isEncrypted = header.readUInt32BE(32) !== 0;
  if (header.readUInt32BE(4) < 2 || 1 << header.readUInt32BE(20) !== QCOW2_CLUSTER || hasBacking || isEncrypted) {
    throw new VisibleError(
      `"${file.name}" is a qcow2 disk of a kind that unikernel does not write. Make a raw disk of it: \`qemu-img convert -O raw\`.`,
    );
  }
  const size = Number(header.readBigUInt64BE(24));
  const level1 = file.read(Number(header.readBigUInt64BE(40)), header.readUInt32BE(36) * 8);
  const tables = new Map<number, Buffer>();
  const table = (index: number): Buffer | undefined => {
    const offset = index * 8 < level1.length ? Number(level1.readBigUInt64BE(index * 8) & OFFSET) : 0;
    if (offset === 0) return undefined;
    const known = tables.get(index) ?? file.read(offset, QCOW2_CLUSTER);
    tables.set(index, known);
    return known;
  };
  return inUnits(file.name, size, QCOW2_CLUSTER, (cluster) => {
    const entry = table(Math.floor(cluster / QCOW2_ENTRIES))?.readBigUInt64BE((cluster % QCOW2_ENTRIES) * 8) ?? 0n;
    if ((entry & COMPRESSED) !== 0n) throw new VisibleError(`"${file.name}" is a compressed qcow2 disk.`);
    const offset = Number(entry & OFFSET);
    return offset === 0 ? undefined : file.read(offset, QCOW2_CLUSTER);
  });
}
