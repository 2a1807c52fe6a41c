/**
 * The stream-optimized form of VMDK, which vSphere and AWS import: compressed grains of 64 KiB, tables behind them.
 *
 * @see VMware, Virtual Disk Format 5.0, "Stream-Optimized Compressed Sparse Extents"
 */
import { promisify } from "node:util";
import { deflate as deflateCallback, type ZlibOptions } from "node:zlib";
import type { BootDisk } from "../boot-disk.js";
import { SECTOR } from "../gpt.js";
import { DEFLATE } from "./deflate.js";
import { dataInUnits, type Format, inOrder, MIB } from "./format.js";

const deflate: (data: Buffer, options: ZlibOptions) => Promise<Buffer> = promisify(deflateCallback);

export const VMDK_MAGIC = 0x564d444b;
const VERSION = 3;
/** Line ends can be checked, grains are compressed, markers tell what follows. */
const FLAGS = 0x30001;
const GRAIN_SECTORS = 128;
export const VMDK_GRAIN = GRAIN_SECTORS * SECTOR;
/** Entries of a grain table. */
export const VMDK_ENTRIES = 512;
const TABLE_SECTORS = (VMDK_ENTRIES * 4) / SECTOR;
const DESCRIPTOR_SECTORS = 20;
const OVERHEAD_SECTORS = 128;
const AT_THE_END = 0xffffffffffffffffn;
const MARKERS = { endOfStream: 0, table: 1, directory: 2, footer: 3 };
/** Grains that are compressed at once. */
const AT_ONCE = 16;

export const vmdk: Format = {
  roundTo: MIB,
  encode: (disk) => inOrder(encode(disk)),
};

async function* encode(disk: BootDisk): AsyncGenerator<Buffer> {
  const grains = Math.ceil(disk.size / VMDK_GRAIN);
  const entries = Buffer.alloc(Math.ceil(grains / VMDK_ENTRIES) * VMDK_ENTRIES * 4);
  const head = Buffer.alloc(OVERHEAD_SECTORS * SECTOR);
  header(disk, AT_THE_END).copy(head);
  head.write(descriptor(disk), SECTOR, "latin1");
  yield head;
  let sector = OVERHEAD_SECTORS;

  for await (const { offset, data } of dataInUnits(disk, VMDK_GRAIN, AT_ONCE * VMDK_GRAIN)) {
    for (const { index, record } of await Promise.all(compress(offset, data))) {
      if (record === undefined) continue;
      entries.writeUInt32LE(sector, index * 4);
      yield record;
      sector += record.length / SECTOR;
    }
  }

  const directory = Buffer.alloc(Math.ceil(entries.length / VMDK_ENTRIES / SECTOR) * SECTOR);
  for (let table = 0; table * VMDK_ENTRIES * 4 < entries.length; table++) {
    const part = entries.subarray(table * VMDK_ENTRIES * 4, (table + 1) * VMDK_ENTRIES * 4);
    if (part.every((byte) => byte === 0)) continue;
    yield marker(MARKERS.table, TABLE_SECTORS);
    directory.writeUInt32LE(sector + 1, table * 4);
    yield part;
    sector += 1 + TABLE_SECTORS;
  }
  yield marker(MARKERS.directory, directory.length / SECTOR);
  yield directory;
  yield marker(MARKERS.footer, 1);
  yield header(disk, BigInt(sector + 1));
  yield marker(MARKERS.endOfStream, 0);
}

/** The records of grains, whose data begins at `offset`; of grains of zeros there is none. */
function compress(offset: number, data: Buffer): Promise<{ index: number; record: Buffer | undefined }>[] {
  const count = Math.ceil(data.length / VMDK_GRAIN);
  return Array.from({ length: count }, async (_, i) => {
    const index = offset / VMDK_GRAIN + i;
    const content = data.subarray(i * VMDK_GRAIN, (i + 1) * VMDK_GRAIN);
    if (content.equals(ZEROS.subarray(0, content.length))) return { index, record: undefined };
    // A grain is whole even where the disk ends within it.
    const grain = content.length < VMDK_GRAIN ? Buffer.concat([content], VMDK_GRAIN) : content;
    const compressed = await deflate(grain, DEFLATE);
    const record = Buffer.alloc(Math.ceil((12 + compressed.length) / SECTOR) * SECTOR);
    record.writeBigUInt64LE(BigInt(index * GRAIN_SECTORS), 0);
    record.writeUInt32LE(compressed.length, 8);
    compressed.copy(record, 12);
    return { index, record };
  });
}

const ZEROS = Buffer.alloc(VMDK_GRAIN);

function header(disk: BootDisk, directory: bigint): Buffer {
  const header = Buffer.alloc(SECTOR);
  header.writeUInt32LE(VMDK_MAGIC, 0);
  header.writeUInt32LE(VERSION, 4);
  header.writeUInt32LE(FLAGS, 8);
  header.writeBigUInt64LE(BigInt(disk.size / SECTOR), 12);
  header.writeBigUInt64LE(BigInt(GRAIN_SECTORS), 20);
  header.writeBigUInt64LE(1n, 28);
  header.writeBigUInt64LE(BigInt(DESCRIPTOR_SECTORS), 36);
  header.writeUInt32LE(VMDK_ENTRIES, 44);
  header.writeBigUInt64LE(directory, 56);
  header.writeBigUInt64LE(BigInt(OVERHEAD_SECTORS), 64);
  header.write("\n \r\n", 73, "latin1");
  header.writeUInt16LE(1, 77);
  return header;
}

function marker(type: number, sectors: number): Buffer {
  const marker = Buffer.alloc(SECTOR);
  marker.writeBigUInt64LE(BigInt(sectors), 0);
  marker.writeUInt32LE(type, 12);
  return marker;
}

function descriptor(disk: BootDisk): string {
  const sectors = disk.size / SECTOR;
  // What no disk may have as its content identifier.
  const none = "ffffffff";
  const id = disk.digest.slice("sha256:".length, "sha256:".length + 8);
  return [
    "# Disk DescriptorFile",
    "version=1",
    `CID=${id === none ? "fffffffe" : id}`,
    `parentCID=${none}`,
    'createType="streamOptimized"',
    "",
    "# Extent description",
    `RW ${sectors} SPARSE "disk.vmdk"`,
    "",
    "# The Disk Data Base",
    "#DDB",
    'ddb.virtualHWVersion = "4"',
    `ddb.geometry.cylinders = "${Math.min(65535, Math.ceil(sectors / (255 * 63)))}"`,
    'ddb.geometry.heads = "255"',
    'ddb.geometry.sectors = "63"',
    'ddb.adapterType = "lsilogic"',
    "",
  ].join("\n");
}
