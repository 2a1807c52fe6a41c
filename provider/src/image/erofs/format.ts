/**
 * The parts of EROFS's on-disk format that are used here: 4 KiB blocks, no compression, inodes in their compact and extended form,
 * data in whole blocks (`FLAT_PLAIN`) or with the last part behind the inode (`FLAT_INLINE`), attributes behind the inode.
 *
 * @see https://docs.kernel.org/filesystems/erofs.html
 */
import type { Inode } from "../tree.js";

export const BLOCK_SIZE = 4096;
export const BLOCK_BITS = 12;

export const SUPERBLOCK_OFFSET = 1024;
export const SUPERBLOCK_SIZE = 128;
export const SUPERBLOCK_MAGIC = 0xe0f5e1e2;
/** The superblock carries a CRC-32C of the rest of its block. */
export const FEATURE_COMPAT_CHECKSUM = 0x1;
/** Times are modification times (not change times). */
export const FEATURE_COMPAT_MTIME = 0x2;

/** Inodes are addressed in units of this many bytes from the start of the metadata, which here is the start of the disk. */
export const SLOT_SIZE = 32;
export const COMPACT_INODE_SIZE = 32;
export const EXTENDED_INODE_SIZE = 64;

export const LAYOUT_FLAT_PLAIN = 0;
export const LAYOUT_FLAT_INLINE = 2;

export const DIRENT_SIZE = 12;

export const XATTR_HEADER_SIZE = 12;
export const XATTR_ENTRY_SIZE = 4;

/** Numbers that stand for the beginning of an attribute's name. */
export const XATTR_PREFIXES: [index: number, prefix: string][] = [
  [1, "user."],
  [2, "system.posix_acl_access"],
  [3, "system.posix_acl_default"],
  [4, "trusted."],
  [6, "security."],
];

/** File types: in a directory entry, and as the top bits of an inode's mode. */
export const FILE_TYPES: Record<Inode["type"], { dirent: number; mode: number }> = {
  file: { dirent: 1, mode: 0o100000 },
  directory: { dirent: 2, mode: 0o040000 },
  "character device": { dirent: 3, mode: 0o020000 },
  "block device": { dirent: 4, mode: 0o060000 },
  fifo: { dirent: 5, mode: 0o010000 },
  socket: { dirent: 6, mode: 0o140000 },
  symlink: { dirent: 7, mode: 0o120000 },
};

/** Linux's 32-bit form of a device number. */
export function encodeDevice(major: number, minor: number): number {
  return ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xfff00) << 12)) >>> 0;
}

export function decodeDevice(device: number): { major: number; minor: number } {
  return { major: (device >>> 8) & 0xfff, minor: (device & 0xff) | ((device >>> 12) & 0xfff00) };
}
