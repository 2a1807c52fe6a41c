import { VisibleError } from "../errors.js";
import type { RandomAccess } from "../random-access.js";
import { toText } from "../tree.js";
import type { DiskFile } from "../types.js";
import {
  BLOCK_BITS,
  BLOCK_SIZE,
  COMPACT_INODE_SIZE,
  decodeDevice,
  DIRENT_SIZE,
  EXTENDED_INODE_SIZE,
  FILE_TYPES,
  LAYOUT_FLAT_INLINE,
  LAYOUT_FLAT_PLAIN,
  SLOT_SIZE,
  SUPERBLOCK_MAGIC,
  SUPERBLOCK_OFFSET,
  SUPERBLOCK_SIZE,
  XATTR_HEADER_SIZE,
} from "./format.js";
import { decodeXattrs } from "./xattr.js";

const TYPES = Object.entries(FILE_TYPES) as [DiskFile["type"], { dirent: number; mode: number }][];

interface DiskInode {
  metadata: Omit<DiskFile, "path">;
  layout: number;
  /** First block of the data, or the device. */
  address: number;
  /** Where the inode's tail is on the disk. */
  tail: number;
}

/** Reads the kind of EROFS file system that this package writes. */
export class DiskReader {
  readonly #disk: RandomAccess;
  readonly #rootNid: number;
  readonly #time: number;

  constructor(disk: RandomAccess) {
    this.#disk = disk;
    if (disk.size < SUPERBLOCK_OFFSET + SUPERBLOCK_SIZE) throw this.#error("is not an EROFS disk");
    const superblock = this.#read(SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE);
    if (superblock.readUInt32LE(0) !== SUPERBLOCK_MAGIC) throw this.#error("is not an EROFS disk");
    if (superblock.readUInt8(12) !== BLOCK_BITS || superblock.readUInt32LE(80) !== 0) {
      throw this.#error("is an EROFS disk with features that unikernel's disks do not have");
    }
    this.#rootNid = superblock.readUInt16LE(14);
    this.#time = Number(superblock.readBigInt64LE(24));
  }

  /** Every file but the root, in path order. */
  *files(): Generator<DiskFile & { nid: number }> {
    yield* this.#walk(this.#rootNid, "", 0);
  }

  /** A file's content. */
  content(nid: number): Buffer {
    return this.#content(this.#inode(nid));
  }

  *#walk(directory: number, prefix: string, depth: number): Generator<DiskFile & { nid: number }> {
    if (depth > 1000) throw this.#error("is a broken EROFS disk: its directories are in each other");
    for (const [name, nid] of this.#entries(directory)) {
      if (name === "." || name === "..") continue;
      const inode = this.#inode(nid);
      const path = `${prefix}/${toText(name)}`;
      const target =
        inode.metadata.type === "symlink" ? { target: toText(this.#content(inode).toString("latin1")) } : {};
      yield { path, ...inode.metadata, ...target, nid };
      if (inode.metadata.type === "directory") yield* this.#walk(nid, path, depth + 1);
    }
  }

  *#entries(nid: number): Generator<[name: string, nid: number]> {
    const inode = this.#inode(nid);
    if (inode.metadata.type !== "directory")
      throw this.#error(`is a broken EROFS disk: inode ${nid} is not a directory`);
    const content = this.#content(inode);
    for (let start = 0; start < content.length; start += BLOCK_SIZE) {
      const block = content.subarray(start, start + BLOCK_SIZE);
      const count = block.length < DIRENT_SIZE ? 0 : Math.floor(block.readUInt16LE(8) / DIRENT_SIZE);
      if (count * DIRENT_SIZE > block.length)
        throw this.#error(`is a broken EROFS disk: directory ${nid} cannot be read`);
      for (let index = 0; index < count; index++) {
        const entry = index * DIRENT_SIZE;
        const nameStart = block.readUInt16LE(entry + 8);
        const nameEnd = index + 1 < count ? block.readUInt16LE(entry + DIRENT_SIZE + 8) : block.length;
        const name = block.toString("latin1", nameStart, nameEnd);
        const end = name.indexOf("\0");
        yield [end < 0 ? name : name.slice(0, end), Number(block.readBigUInt64LE(entry))];
      }
    }
  }

  #inode(nid: number): DiskInode {
    const start = nid * SLOT_SIZE;
    const format = this.#read(start, 2).readUInt16LE();
    const extended = (format & 1) !== 0;
    const layout = (format >> 1) & 7;
    if (layout !== LAYOUT_FLAT_PLAIN && layout !== LAYOUT_FLAT_INLINE)
      throw this.#error(`has an inode (${nid}) of a layout that unikernel's disks do not have`);
    const size = extended ? EXTENDED_INODE_SIZE : COMPACT_INODE_SIZE;
    const raw = this.#read(start, size);
    const xattrCount = raw.readUInt16LE(2);
    const xattrSize = xattrCount === 0 ? 0 : XATTR_HEADER_SIZE + 4 * (xattrCount - 1);
    const mode = raw.readUInt16LE(4);
    const type = TYPES.find(([, bits]) => bits.mode === (mode & 0o170000))?.[0];
    if (type === undefined) throw this.#error(`is a broken EROFS disk: inode ${nid} has no type`);
    const address = raw.readUInt32LE(16);
    const isDevice = type === "character device" || type === "block device";
    const xattrs = decodeXattrs(this.#read(start + size, xattrSize));
    return {
      layout,
      address,
      tail: start + size + xattrSize,
      metadata: {
        type,
        size: extended ? Number(raw.readBigUInt64LE(8)) : raw.readUInt32LE(8),
        mode: mode & 0o7777,
        uid: extended ? raw.readUInt32LE(24) : raw.readUInt16LE(24),
        gid: extended ? raw.readUInt32LE(28) : raw.readUInt16LE(26),
        mtime: extended ? Number(raw.readBigInt64LE(32)) : this.#time,
        links: extended ? raw.readUInt32LE(44) : raw.readUInt16LE(6),
        ...(isDevice ? { device: decodeDevice(address) } : {}),
        ...(xattrs.size > 0
          ? { xattrs: Object.fromEntries([...xattrs].map(([name, value]) => [toText(name), value])) }
          : {}),
      },
    };
  }

  #content({ metadata: { size }, layout, address, tail }: DiskInode): Buffer {
    const inBlocks = layout === LAYOUT_FLAT_INLINE ? size - (size % BLOCK_SIZE) : size;
    const blocks = inBlocks > 0 ? this.#read(address * BLOCK_SIZE, inBlocks) : Buffer.alloc(0);
    return size > inBlocks ? Buffer.concat([blocks, this.#read(tail, size - inBlocks)]) : blocks;
  }

  #read(position: number, length: number): Buffer {
    if (position + length > this.#disk.size) throw this.#error("is a broken EROFS disk: it is cut short");
    return this.#disk.read(position, length);
  }

  #error(problem: string): VisibleError {
    return new VisibleError(`"${this.#disk.name}" ${problem}.`);
  }
}
