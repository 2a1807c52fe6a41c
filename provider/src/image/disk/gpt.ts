/**
 * The GUID partition table.
 *
 * @see UEFI Specification 2.11, chapter 5
 */
import { crc32 } from "../crc.js";

export const SECTOR = 512;

const ENTRY_COUNT = 128;
const ENTRY_SIZE = 128;
const ENTRIES_SECTORS = (ENTRY_COUNT * ENTRY_SIZE) / SECTOR;
const HEADER_SIZE = 92;
const REVISION = 0x00010000;

/** The first sector that a partition may have: before it are the protective MBR, the header and the entries. */
export const FIRST_USABLE = 2 + ENTRIES_SECTORS;
/** Sectors at the end of the disk that hold the second copy of the table. */
export const BACKUP_SECTORS = ENTRIES_SECTORS + 1;

/** Bytes of the first sector that are a program for BIOS; the partition table follows. */
export const BOOT_CODE_SIZE = 440;

export interface Partition {
  /** What it holds: a GUID in its text form. */
  type: string;
  /** Its own GUID: 16 bytes in the order of the text form. */
  uuid: Buffer;
  name: string;
  /** The first sector. */
  first: number;
  /** The number of sectors. */
  count: number;
  /** Attribute bits by number. */
  attributes?: number[];
}

export interface PartitionTable {
  /** Sectors of the disk. */
  sectors: number;
  uuid: Buffer;
  partitions: Partition[];
}

/** The first sectors of the disk, with `bootCode` in the protective MBR, and the last ones. */
export function encodePartitionTable(table: PartitionTable, bootCode: Buffer): { primary: Buffer; backup: Buffer } {
  const entries = Buffer.alloc(ENTRIES_SECTORS * SECTOR);
  table.partitions.forEach((partition, index) => encodeEntry(partition, entries.subarray(index * ENTRY_SIZE)));
  const last = table.sectors - 1;
  const primary = Buffer.concat([
    protectiveMbr(table.sectors, bootCode),
    header(table, entries, { own: 1, other: last, entries: 2 }),
    entries,
  ]);
  const backup = Buffer.concat([
    entries,
    header(table, entries, { own: last, other: 1, entries: last - ENTRIES_SECTORS }),
  ]);
  return { primary, backup };
}

/** Keeps programs that know only the MBR from taking the disk for empty: one partition of type 0xEE over all of it. */
function protectiveMbr(sectors: number, bootCode: Buffer): Buffer {
  const mbr = Buffer.alloc(SECTOR);
  bootCode.copy(mbr, 0, 0, BOOT_CODE_SIZE);
  const entry = mbr.subarray(446);
  entry.set([0x00, 0x00, 0x02, 0x00, 0xee, 0xff, 0xff, 0xff]);
  entry.writeUInt32LE(1, 8);
  entry.writeUInt32LE(Math.min(sectors - 1, 0xffffffff), 12);
  mbr.writeUInt16LE(0xaa55, 510);
  return mbr;
}

function header(
  table: PartitionTable,
  entries: Buffer,
  place: { own: number; other: number; entries: number },
): Buffer {
  const sector = Buffer.alloc(SECTOR);
  sector.write("EFI PART", "latin1");
  sector.writeUInt32LE(REVISION, 8);
  sector.writeUInt32LE(HEADER_SIZE, 12);
  sector.writeBigUInt64LE(BigInt(place.own), 24);
  sector.writeBigUInt64LE(BigInt(place.other), 32);
  sector.writeBigUInt64LE(BigInt(FIRST_USABLE), 40);
  sector.writeBigUInt64LE(BigInt(table.sectors - BACKUP_SECTORS - 1), 48);
  guid(table.uuid).copy(sector, 56);
  sector.writeBigUInt64LE(BigInt(place.entries), 72);
  sector.writeUInt32LE(ENTRY_COUNT, 80);
  sector.writeUInt32LE(ENTRY_SIZE, 84);
  sector.writeUInt32LE(crc32(entries), 88);
  sector.writeUInt32LE(crc32(sector.subarray(0, HEADER_SIZE)), 16);
  return sector;
}

function encodeEntry(partition: Partition, entry: Buffer): void {
  guidBytes(partition.type).copy(entry, 0);
  guid(partition.uuid).copy(entry, 16);
  entry.writeBigUInt64LE(BigInt(partition.first), 32);
  entry.writeBigUInt64LE(BigInt(partition.first + partition.count - 1), 40);
  const attributes = (partition.attributes ?? []).reduce((bits, bit) => bits | (1n << BigInt(bit)), 0n);
  entry.writeBigUInt64LE(attributes, 48);
  entry.write(partition.name, 56, 72, "utf16le");
}

/** A GUID in its text form as it is on the disk. */
export function guidBytes(text: string): Buffer {
  return guid(Buffer.from(text.replaceAll("-", ""), "hex"));
}

/** The order of a GUID's bytes on the disk: its first three fields are little-endian. */
function guid(uuid: Buffer): Buffer {
  const bytes = Buffer.from(uuid);
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}
