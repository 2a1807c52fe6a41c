/**
 * The BIOS loader: a boot sector and, in the sectors behind it in the file, the program that it loads. Both say in a fixed place where
 * on the disk they find what they read next; see `kernel/loader/bios`.
 */
import { SECTOR } from "./gpt.js";

/** In the boot sector: the first sector of the program, 64 bits. */
const STAGE_SECTOR_OFFSET = 432;
/** In the program: the mark, then the first sector of the kernel's file (64 bits) and its bytes (32 bits). */
const MARK_OFFSET = 8;
const MARK = "unikernl";
const KERNEL_SECTOR_OFFSET = 16;
const KERNEL_SIZE_OFFSET = 24;

/** The boot sector, which is to load the program from `stageSector`. */
export function bootSector(loader: Buffer, stageSector: number): Buffer {
  const sector = Buffer.from(loader.subarray(0, SECTOR));
  sector.writeBigUInt64LE(BigInt(stageSector), STAGE_SECTOR_OFFSET);
  return sector;
}

/** The program behind the boot sector. */
export function stage(loader: Buffer): Buffer {
  const program = loader.subarray(SECTOR);
  if (program.toString("latin1", MARK_OFFSET, MARK_OFFSET + MARK.length) !== MARK)
    throw new Error("The BIOS loader does not say where it is told of the kernel's place.");
  return program;
}

/** The program, which is to load the kernel's file from `sector`. */
export function placeKernel(program: Buffer, sector: number, size: number): Buffer {
  const placed = Buffer.from(program);
  placed.writeBigUInt64LE(BigInt(sector), KERNEL_SECTOR_OFFSET);
  placed.writeUInt32LE(size, KERNEL_SIZE_OFFSET);
  return placed;
}
