/**
 * Where everything lies on a disk that boots everywhere:
 *
 *     sector 0         protective MBR with the program that BIOS starts
 *            1 – 33    GUID partition table
 *           40 – 127   BIOS boot partition: the rest of the BIOS loader
 *          128 –       EFI system partition: the UEFI loader and the kernel, which the BIOS loader reads too
 *     a multiple of 512 KiB: root partition, an EROFS file system
 *     the last 33      second copy of the partition table
 *
 * Clouds count in blocks of 512 KiB. A change of the application leaves every block before the root partition as it is: the GUIDs come of
 * the kernel, the loaders and the sizes, which are rounded up, not of the application. The kernel is compressed, for it to take a block less,
 * and the second copy of the table lies in the root partition's last block, which it would otherwise have to itself.
 */
import { createHash } from "node:crypto";
import { contentUuid } from "../uuid.js";
import { encodeFat, type FatEntry, fatSectors } from "./fat.js";
import { BACKUP_SECTORS, encodePartitionTable, type Partition, SECTOR } from "./gpt.js";
import { bootSector, placeKernel, stage } from "./bios.js";
import { packKernel } from "./kernel-file.js";

const MIB = 1024 * 1024;
/** What a snapshot of EBS is made of. */
export const SNAPSHOT_BLOCK = 512 * 1024;

/** @see https://uapi-group.org/specifications/specs/discoverable_partitions_specification/ */
export const ROOT_TYPES = { x86_64: "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709" };
const EFI_SYSTEM_TYPE = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
const BIOS_BOOT_TYPE = "21686148-6449-6E6F-744E-656564454649";
/** The attribute of a root partition that is not to be written to. */
const READ_ONLY = 60;

const BIOS_BOOT_FIRST = 40;
const EFI_SYSTEM_FIRST = 128;
/** Room for the second copy of the partition table, so that the partition before it ends with a page. */
const BACKUP_SIZE = roundUp(BACKUP_SECTORS * SECTOR, 4096);
/** Where firmware looks when nobody tells it: UEFI Specification 2.11, section 3.5.1.1. */
const UEFI_LOADER_NAMES = { x86_64: "BOOTX64.EFI" };

/** What a disk is made of. */
export interface Contents {
  architecture: keyof typeof ROOT_TYPES;
  kernel: Buffer;
  loaders: { bios: Buffer; uefi: Buffer };
  /** Bytes of the root file system. */
  rootSize: number;
}

/** Everything on a disk but the root file system. */
export interface Layout {
  /** Bytes of the disk. */
  size: number;
  /** Where the root file system begins, in bytes. */
  rootOffset: number;
  /** What is not zero before and behind it, in order. */
  parts: { offset: number; data: Buffer }[];
}

/**
 * @param roundTo - The size of the disk is a multiple of this many bytes.
 */
export function layOut(contents: Contents, roundTo = MIB): Layout {
  const { architecture, kernel, loaders, rootSize } = contents;
  const biosStage = stage(loaders.bios);
  const biosBootCount = EFI_SYSTEM_FIRST - BIOS_BOOT_FIRST;
  if (biosStage.length > biosBootCount * SECTOR)
    throw new Error(`The BIOS loader has ${biosStage.length} bytes; there is room for ${biosBootCount * SECTOR}.`);

  const packed = packKernel(kernel);
  const kernelFile: FatEntry = { name: "KERNEL.GZ", data: packed };
  const loaderFile: FatEntry = { name: UEFI_LOADER_NAMES[architecture], data: loaders.uefi };
  const files = [{ name: "EFI", entries: [{ name: "BOOT", entries: [loaderFile] }] }, kernelFile];
  const efiSystemEnd = roundUp(
    EFI_SYSTEM_FIRST * SECTOR + fatSectors([packed.length, loaders.uefi.length], 2) * SECTOR,
    SNAPSHOT_BLOCK,
  );
  const rootOffset = efiSystemEnd;
  const rootEnd = roundUp(rootOffset + rootSize + BACKUP_SIZE, SNAPSHOT_BLOCK) - BACKUP_SIZE;
  const size = roundUp(rootEnd + BACKUP_SIZE, roundTo);

  const identity = sha256(kernel) + sha256(loaders.bios) + sha256(loaders.uefi) + String(rootEnd) + String(size);
  const uuid = (of: string): Buffer => contentUuid(sha256(`${of} ${identity}`));
  const partition = (type: string, name: string, start: number, end: number, attributes: number[] = []): Partition => ({
    ...{ type, name, uuid: uuid(name), attributes },
    ...{ first: start / SECTOR, count: (end - start) / SECTOR },
  });
  const partitions = [
    partition(BIOS_BOOT_TYPE, "BIOS boot", BIOS_BOOT_FIRST * SECTOR, EFI_SYSTEM_FIRST * SECTOR),
    partition(EFI_SYSTEM_TYPE, "EFI system", EFI_SYSTEM_FIRST * SECTOR, efiSystemEnd),
    partition(ROOT_TYPES[architecture], "root", rootOffset, rootEnd, [READ_ONLY]),
  ];

  const fat = encodeFat(files, {
    sectors: efiSystemEnd / SECTOR - EFI_SYSTEM_FIRST,
    hiddenSectors: EFI_SYSTEM_FIRST,
    volumeId: uuid("EFI system").readUInt32BE(0),
    label: "UNIKERNEL",
  });
  const kernelSector = EFI_SYSTEM_FIRST + (fat.offsets.get(kernelFile) as number) / SECTOR;
  const { primary, backup } = encodePartitionTable(
    { sectors: size / SECTOR, uuid: uuid("disk"), partitions },
    bootSector(loaders.bios, BIOS_BOOT_FIRST),
  );
  return {
    size,
    rootOffset,
    parts: [
      { offset: 0, data: primary },
      { offset: BIOS_BOOT_FIRST * SECTOR, data: placeKernel(biosStage, kernelSector, packed.length) },
      { offset: EFI_SYSTEM_FIRST * SECTOR, data: fat.data },
      { offset: size - backup.length, data: backup },
    ],
  };
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

function sha256(data: string | Buffer): string {
  return createHash("sha256").update(data).digest("hex");
}
