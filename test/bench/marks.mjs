// The first bytes of a program's code, by which a plugin for QEMU knows that it has been entered.
import fs from "node:fs";

/** Long enough to be no other code's, and short enough to lie within the first block that QEMU translates. */
const usual = 10;
/** Many functions of UEFI firmware begin with the same pushes as a loader. */
const behindPushes = 24;

const hex = (file, offset, size = usual) => file.subarray(offset, offset + size).toString("hex");

/** @param {string} path Of an ELF file of 64 bits. */
export function elfEntry(path) {
  const file = fs.readFileSync(path);
  const entry = file.readBigUInt64LE(24);
  const [table, entrySize, count] = [Number(file.readBigUInt64LE(32)), file.readUInt16LE(54), file.readUInt16LE(56)];
  for (let at = table; at < table + count * entrySize; at += entrySize) {
    const [offset, address, length] = [8, 16, 32].map((field) => file.readBigUInt64LE(at + field));
    if (file.readUInt32LE(at) === 1 && entry >= address && entry < address + length)
      return hex(file, Number(entry - address + offset));
  }
  throw new Error(`${path} has no entry.`);
}

/** @param {string} path Of a program for UEFI. */
export function efiEntry(path) {
  const file = fs.readFileSync(path);
  const header = file.readUInt32LE(60);
  const entry = file.readUInt32LE(header + 40);
  const sections = header + 24 + file.readUInt16LE(header + 20);
  for (let i = 0; i < file.readUInt16LE(header + 6); i++) {
    const section = sections + i * 40;
    const [length, address, offset] = [16, 12, 20].map((field) => file.readUInt32LE(section + field));
    if (entry >= address && entry < address + length) return hex(file, entry - address + offset, behindPushes);
  }
  throw new Error(`${path} has no entry.`);
}

/** @param {string} path Of a boot sector, which firmware enters at its first byte. */
export const bootSectorEntry = (path) => hex(fs.readFileSync(path), 0);

/**
 * What Linux's boot protocol calls the protected-mode kernel, behind the real-mode sectors: the first of it to run after a loader.
 * @param {string} path Of a bzImage.
 */
export function linuxEntry(path) {
  const file = fs.readFileSync(path);
  return hex(file, ((file.readUInt8(0x1f1) || 4) + 1) * 512);
}
