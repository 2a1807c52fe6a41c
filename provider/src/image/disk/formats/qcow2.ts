/**
 * QEMU's copy-on-write format, version 3, with clusters of 64 KiB that are stored as they are.
 *
 * @see https://www.qemu.org/docs/master/interop/qcow2.html
 */
import type { BootDisk } from "../boot-disk.js";
import { dataInUnits, type Format, inOrder, MIB, unitRanges } from "./format.js";

const CLUSTER_BITS = 16;
export const QCOW2_CLUSTER = 1 << CLUSTER_BITS;
export const QCOW2_MAGIC = 0x514649fb;
/** Entries of a level 2 table. */
export const QCOW2_ENTRIES = QCOW2_CLUSTER / 8;
const HEADER_SIZE = 104;
/** 16 bits a count. */
const REFCOUNT_ORDER = 4;
const REFCOUNTS = QCOW2_CLUSTER / 2;
/** The cluster is used once, so that it may be written to in place. */
const COPIED = 1n << 63n;

export const qcow2: Format = {
  roundTo: MIB,
  encode: (disk) => inOrder(encode(disk)),
};

async function* encode(disk: BootDisk): AsyncGenerator<Buffer> {
  const ranges = unitRanges(disk, QCOW2_CLUSTER);
  const data = ranges.reduce((sum, { start, end }) => sum + end - start, 0);
  const tables = Math.ceil(disk.size / QCOW2_CLUSTER / QCOW2_ENTRIES);
  const level1 = Math.ceil((tables * 8) / QCOW2_CLUSTER);
  // Counts are counted too.
  let blocks = 1;
  let countTable = 1;
  const clusters = (): number => 1 + countTable + blocks + level1 + tables + data;
  while (blocks * REFCOUNTS < clusters() || countTable * QCOW2_ENTRIES < blocks) {
    blocks = Math.ceil(clusters() / REFCOUNTS);
    countTable = Math.ceil(blocks / QCOW2_ENTRIES);
  }
  const place = { countTable: 1, blocks: 1 + countTable, level1: 1 + countTable + blocks };
  const firstTable = place.level1 + level1;
  const firstData = firstTable + tables;

  const head = Buffer.alloc(firstData * QCOW2_CLUSTER);
  encodeHeader(head, disk.size, { level1: place.level1, tables, countTable: place.countTable, count: countTable });
  const writePointers = (at: number, first: number, count: number, flags: bigint): void => {
    for (let index = 0; index < count; index++) {
      head.writeBigUInt64BE(BigInt((first + index) * QCOW2_CLUSTER) | flags, at * QCOW2_CLUSTER + index * 8);
    }
  };
  writePointers(place.countTable, place.blocks, blocks, 0n);
  for (let index = 0; index < clusters(); index++) head.writeUInt16BE(1, place.blocks * QCOW2_CLUSTER + index * 2);
  writePointers(place.level1, firstTable, tables, COPIED);
  let next = firstData;
  for (const { start, end } of ranges) {
    // The level 2 tables lie one behind the other, as one table of all clusters.
    for (let cluster = start; cluster < end; cluster++, next++) {
      head.writeBigUInt64BE(BigInt(next * QCOW2_CLUSTER) | COPIED, firstTable * QCOW2_CLUSTER + cluster * 8);
    }
  }
  yield head;
  for await (const { data } of dataInUnits(disk, QCOW2_CLUSTER, MIB)) {
    yield data;
    const rest = data.length % QCOW2_CLUSTER;
    if (rest !== 0) yield Buffer.alloc(QCOW2_CLUSTER - rest);
  }
}

function encodeHeader(
  head: Buffer,
  size: number,
  place: { level1: number; tables: number; countTable: number; count: number },
): void {
  head.writeUInt32BE(QCOW2_MAGIC, 0);
  head.writeUInt32BE(3, 4);
  head.writeUInt32BE(CLUSTER_BITS, 20);
  head.writeBigUInt64BE(BigInt(size), 24);
  head.writeUInt32BE(place.tables, 36);
  head.writeBigUInt64BE(BigInt(place.level1 * QCOW2_CLUSTER), 40);
  head.writeBigUInt64BE(BigInt(place.countTable * QCOW2_CLUSTER), 48);
  head.writeUInt32BE(place.count, 56);
  head.writeUInt32BE(REFCOUNT_ORDER, 96);
  head.writeUInt32BE(HEADER_SIZE, 100);
}
