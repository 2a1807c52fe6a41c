/** Reading disks back, whatever format they are in. */
import { closeSync, openSync } from "node:fs";
import { errorCode, VisibleError } from "../../errors.js";
import { SUPERBLOCK_MAGIC, SUPERBLOCK_OFFSET } from "../../erofs/format.js";
import { VHD_COOKIE, VHD_FOOTER_SIZE } from "../formats/vhd.js";
import type { DiskFormat } from "../formats/index.js";
import { QCOW2_MAGIC } from "../formats/qcow2.js";
import { VMDK_MAGIC } from "../formats/vmdk.js";
import { fileBytes, part, type RandomAccess } from "../../random-access.js";
import { isGceTar, unpackGceTar } from "./gce-tar.js";
import { isPartitioned, rootPartition } from "./partition.js";
import { qcow2Disk } from "./qcow2.js";
import { vmdkDisk } from "./vmdk.js";

/** `erofs`: a root file system alone, without partitions. */
export type FileFormat = DiskFormat | "erofs";

/** What it takes to tell a format. */
const START = 4096;

/** A disk in a file. */
export interface DiskFile {
  format: FileFormat;
  /** The root file system. */
  root: RandomAccess;
  close(): void;
}

/** The format of a disk's file; undefined when it is none. */
export function recognizeDisk(path: string): FileFormat | undefined {
  const file = openSync(path, "r");
  try {
    return formatOf(fileBytes(path, file));
  } finally {
    closeSync(file);
  }
}

/**
 * Opens the file of a disk.
 *
 * @throws {VisibleError} when there is none.
 */
export async function openDiskFile(path: string): Promise<DiskFile> {
  let file = open(path);
  try {
    const bytes = fileBytes(path, file);
    const format = formatOf(bytes);
    if (format === undefined) throw new VisibleError(`"${path}" is not a disk of unikernel's.`);
    if (format === "gce-tar") {
      const unpacked = await unpackGceTar(path);
      closeSync(file);
      file = unpacked;
    }
    const root = rootOf(format, format === "gce-tar" ? fileBytes(path, file) : bytes);
    return { format, root, close: () => closeSync(file) };
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

function open(path: string): number {
  try {
    return openSync(path, "r");
  } catch (error) {
    if (errorCode(error) === "ENOENT") throw new VisibleError(`There is no disk "${path}".`);
    throw error;
  }
}

function formatOf(file: RandomAccess): FileFormat | undefined {
  const start = file.read(0, Math.min(START, file.size));
  const magic = (offset: number): number => (start.length >= offset + 4 ? start.readUInt32LE(offset) : 0);
  if (magic(SUPERBLOCK_OFFSET) === SUPERBLOCK_MAGIC) return "erofs";
  if (magic(0) === VMDK_MAGIC) return "vmdk";
  if (start.length >= 4 && start.readUInt32BE(0) === QCOW2_MAGIC) return "qcow2";
  if (isGceTar(start)) return "gce-tar";
  if (!isPartitioned(file)) return undefined;
  return hasVhdFooter(file) ? "vhd" : "raw";
}

function hasVhdFooter(file: RandomAccess): boolean {
  const footer = file.size - VHD_FOOTER_SIZE;
  return footer > 0 && file.read(footer, VHD_COOKIE.length).toString("latin1") === VHD_COOKIE;
}

function rootOf(format: FileFormat, file: RandomAccess): RandomAccess {
  switch (format) {
    case "erofs":
      return file;
    case "raw":
    case "gce-tar":
      return rootPartition(file);
    case "vhd":
      return rootPartition(part(file, 0, file.size - VHD_FOOTER_SIZE));
    case "qcow2":
      return rootPartition(qcow2Disk(file));
    case "vmdk":
      return rootPartition(vmdkDisk(file));
  }
}
