/**
 * A FAT16 file system with clusters of one sector, written once: its files lie one behind the other, each in one piece.
 *
 * FAT16 because it is what a small disk has (UEFI Specification 2.11, section 13.3), and all its tables take 34 KiB; a FAT32 of the least
 * legal size would have half a MiB of them.
 *
 * @see Microsoft FAT Specification, 2005
 */
import { SECTOR } from "./gpt.js";

const RESERVED_SECTORS = 1;
const FAT_COUNT = 2;
const ROOT_ENTRIES = 512;
const ENTRY_SIZE = 32;
const ROOT_SECTORS = (ROOT_ENTRIES * ENTRY_SIZE) / SECTOR;
const MEDIA = 0xf8;
/** A file system with fewer clusters is a FAT12, one with more than the maximum a FAT32. */
const MIN_CLUSTERS = 4085;
const MAX_CLUSTERS = 65524;
const FIRST_CLUSTER = 2;
const END_OF_CHAIN = 0xffff;
const BOOT_SIGNATURE = 0x29;

const ATTRIBUTE_VOLUME_LABEL = 0x08;
const ATTRIBUTE_DIRECTORY = 0x10;
/** 1 January 1980, the first day that can be told. */
const DATE = 0x0021;

/** A file or a directory; names are of 8.3 characters in upper case. */
export type FatEntry = { name: string; data: Buffer } | { name: string; entries: FatEntry[] };

export interface FatOptions {
  /** Sectors of the file system. */
  sectors: number;
  /** Sectors before it on the disk. */
  hiddenSectors: number;
  /** The serial number, 32 bits. */
  volumeId: number;
  label: string;
}

/** The fewest sectors of a file system with `dataBytes` of files and `directories` directories of few entries each. */
export function fatSectors(fileSizes: number[], directories: number): number {
  const data = fileSizes.reduce((sum, size) => sum + Math.ceil(size / SECTOR), directories);
  // A few more than the limit: some programs are said to count wrong by up to 16.
  const clusters = Math.max(data, MIN_CLUSTERS + 16);
  return RESERVED_SECTORS + FAT_COUNT * sectorsOfFat(clusters) + ROOT_SECTORS + clusters;
}

/** The file system up to its last file (zeros follow), and where each file begins in it. */
export function encodeFat(root: FatEntry[], options: FatOptions): { data: Buffer; offsets: Map<FatEntry, number> } {
  const rest = options.sectors - RESERVED_SECTORS - ROOT_SECTORS;
  // One sector of a FAT has room for 256 clusters.
  const fatSectors = sectorsOfFat(rest);
  const clusters = rest - FAT_COUNT * fatSectors;
  if (clusters < MIN_CLUSTERS || clusters > MAX_CLUSTERS) throw new Error(`A FAT16 cannot have ${clusters} clusters.`);
  const rootOffset = (RESERVED_SECTORS + FAT_COUNT * fatSectors) * SECTOR;
  const dataOffset = rootOffset + ROOT_SECTORS * SECTOR;

  const placed = place(root);
  const used = placed.reduce((sum, { count }) => sum + count, 0);
  if (used > clusters) throw new Error(`${used} clusters do not fit into ${clusters}.`);

  const data = Buffer.alloc(dataOffset + used * SECTOR);
  encodeBootSector(data, options, fatSectors);
  const fat = Buffer.alloc(fatSectors * SECTOR);
  fat.writeUInt16LE(0xff00 | MEDIA, 0);
  fat.writeUInt16LE(END_OF_CHAIN, 2);
  const offsets = new Map<FatEntry, number>();
  const clusterOf = new Map(placed.map(({ entry, cluster }) => [entry, cluster]));
  for (const { entry, parent, cluster, count } of placed) {
    for (let i = 0; i < count; i++)
      fat.writeUInt16LE(i + 1 < count ? cluster + i + 1 : END_OF_CHAIN, (cluster + i) * 2);
    const offset = dataOffset + (cluster - FIRST_CLUSTER) * SECTOR;
    offsets.set(entry, offset);
    if ("data" in entry) {
      entry.data.copy(data, offset);
      continue;
    }
    const own = [
      { name: ".", cluster },
      // The root directory is told by 0.
      { name: "..", cluster: parent === undefined ? 0 : (clusterOf.get(parent) ?? 0) },
    ].map(({ name, cluster }) => encodeEntry({ name, attributes: ATTRIBUTE_DIRECTORY, cluster, size: 0 }));
    Buffer.concat([...own, ...entry.entries.map((child) => childEntry(child, clusterOf))]).copy(data, offset);
  }
  for (let copy = 0; copy < FAT_COUNT; copy++) fat.copy(data, (RESERVED_SECTORS + copy * fatSectors) * SECTOR);
  const label = encodeEntry({ name: options.label, attributes: ATTRIBUTE_VOLUME_LABEL, cluster: 0, size: 0 });
  Buffer.concat([label, ...root.map((child) => childEntry(child, clusterOf))]).copy(data, rootOffset);
  return { data, offsets };
}

function sectorsOfFat(clusters: number): number {
  return Math.ceil(((clusters + FIRST_CLUSTER) * 2) / SECTOR);
}

interface Placed {
  entry: FatEntry;
  parent: FatEntry | undefined;
  cluster: number;
  count: number;
}

/** Gives every file and directory its clusters, in order; parents come first. */
function place(root: FatEntry[]): Placed[] {
  const placed: Placed[] = [];
  let next = FIRST_CLUSTER;
  const visit = (entries: FatEntry[], parent: FatEntry | undefined): void => {
    for (const entry of entries) {
      const bytes = "data" in entry ? entry.data.length : (entry.entries.length + 2) * ENTRY_SIZE;
      const count = Math.ceil(bytes / SECTOR);
      placed.push({ entry, parent, cluster: next, count });
      next += count;
      if ("entries" in entry) visit(entry.entries, entry);
    }
  };
  visit(root, undefined);
  return placed;
}

function encodeBootSector(sector: Buffer, options: FatOptions, fatSectors: number): void {
  // A jump to the end of the parameters, where a halt is: nothing boots from here.
  sector.set([0xeb, 0x3c, 0x90]);
  sector.write("UNIKERNL", 3, "latin1");
  sector.writeUInt16LE(SECTOR, 11);
  sector.writeUInt8(1, 13);
  sector.writeUInt16LE(RESERVED_SECTORS, 14);
  sector.writeUInt8(FAT_COUNT, 16);
  sector.writeUInt16LE(ROOT_ENTRIES, 17);
  sector.writeUInt16LE(options.sectors <= 0xffff ? options.sectors : 0, 19);
  sector.writeUInt8(MEDIA, 21);
  sector.writeUInt16LE(fatSectors, 22);
  // A geometry that no disk has any more, as everybody writes it: 32 sectors a track, 64 heads.
  sector.writeUInt16LE(32, 24);
  sector.writeUInt16LE(64, 26);
  sector.writeUInt32LE(options.hiddenSectors, 28);
  sector.writeUInt32LE(options.sectors <= 0xffff ? 0 : options.sectors, 32);
  sector.writeUInt8(0x80, 36);
  sector.writeUInt8(BOOT_SIGNATURE, 38);
  sector.writeUInt32LE(options.volumeId, 39);
  sector.write(options.label.padEnd(11), 43, "latin1");
  sector.write("FAT16   ", 54, "latin1");
  sector.set([0xf4, 0xeb, 0xfd], 62);
  sector.writeUInt16LE(0xaa55, 510);
}

function childEntry(child: FatEntry, clusterOf: Map<FatEntry, number>): Buffer {
  const cluster = clusterOf.get(child) ?? 0;
  return "data" in child
    ? encodeEntry({ name: child.name, attributes: 0, cluster, size: child.data.length })
    : encodeEntry({ name: child.name, attributes: ATTRIBUTE_DIRECTORY, cluster, size: 0 });
}

function encodeEntry(entry: { name: string; attributes: number; cluster: number; size: number }): Buffer {
  const { name, attributes, cluster, size } = entry;
  const raw = Buffer.alloc(ENTRY_SIZE);
  raw.write(attributes === ATTRIBUTE_VOLUME_LABEL ? name.padEnd(11) : shortName(name), "latin1");
  raw.writeUInt8(attributes, 11);
  raw.writeUInt16LE(DATE, 16);
  raw.writeUInt16LE(DATE, 18);
  raw.writeUInt16LE(DATE, 24);
  raw.writeUInt16LE(cluster, 26);
  raw.writeUInt32LE(size, 28);
  return raw;
}

function shortName(name: string): string {
  if (name === "." || name === "..") return name.padEnd(11);
  const [, base, extension = ""] = /^([A-Z0-9_-]{1,8})(?:\.([A-Z0-9_-]{1,3}))?$/.exec(name) ?? [];
  if (base === undefined) throw new Error(`"${name}" is no name of 8.3 characters.`);
  return base.padEnd(8) + extension.padEnd(3);
}
