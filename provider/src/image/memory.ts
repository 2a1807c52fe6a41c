/**
 * An estimate of the least memory that a guest can start with: a floor that catches a guest that is hopelessly small, not
 * what its application needs to do its work.
 *
 *     the kernel's own segments
 *   + 2 MiB for its tables, heaps and buffers
 *   + what every writable segment of the application's program, its dynamic loader and its shared libraries has in its file
 *   + 256 KiB for stacks and page tables,
 *
 * rounded up to whole MiB. Read-only segments are not in it: their pages come from the disk and can be given back. Nor are zeroes of writable ones: they
 * take memory when they are used, and a Go program has tens of MiB that it never uses.
 */
import type { Program } from "./command.js";
import type { Elf } from "./elf.js";

const MIB = 1024 * 1024;
const PAGE = 4096;
const KERNEL_DYNAMIC = 2 * MIB;
const APPLICATION_DYNAMIC = 256 * 1024;

/** Bytes that the application's part of the formula comes to. */
export function applicationMemory(program: Program): number {
  const objects = [program.elf, ...(program.interpreter ? [program.interpreter.elf] : []), ...program.libraries];
  const writable = objects.flatMap(({ segments }) => segments.filter((segment) => segment.writable));
  return writable.reduce((sum, { address, fileSize }) => sum + pagesOf(address, fileSize), APPLICATION_DYNAMIC);
}

/** Bytes that the kernel's part of the formula comes to. */
export function kernelMemory({ segments }: Elf): number {
  return segments.reduce((sum, { address, memorySize }) => sum + pagesOf(address, memorySize), KERNEL_DYNAMIC);
}

export function minimumMemory(kernel: number, application: number): number {
  return Math.ceil((kernel + application) / MIB) * MIB;
}

/** Bytes of the pages that so many bytes at an address lie on. */
function pagesOf(address: number, bytes: number): number {
  return Math.ceil(((address % PAGE) + bytes) / PAGE) * PAGE;
}
