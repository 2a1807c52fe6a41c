import { createHash } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { ContentReader, fsync } from "../content.js";
import { crc32c } from "../crc.js";
import type { Directory } from "../tree.js";
import { contentUuid } from "../uuid.js";
import {
  BLOCK_BITS,
  BLOCK_SIZE,
  COMPACT_INODE_SIZE,
  DIRENT_SIZE,
  encodeDevice,
  EXTENDED_INODE_SIZE,
  FEATURE_COMPAT_CHECKSUM,
  FEATURE_COMPAT_MTIME,
  FILE_TYPES,
  LAYOUT_FLAT_INLINE,
  LAYOUT_FLAT_PLAIN,
  SLOT_SIZE,
  SUPERBLOCK_MAGIC,
  SUPERBLOCK_OFFSET,
  XATTR_HEADER_SIZE,
} from "./format.js";
import { headSize, type Layout, layOut, type Node } from "./layout.js";

/** How much is gathered before it is written. */
const BUFFER_SIZE = 1024 * 1024;

export interface WriteOptions {
  signal?: AbortSignal | undefined;
  /** Told how many bytes of how many are written. */
  progress?: ((done: number, total: number) => void) | undefined;
}

export interface WrittenDisk {
  /** SHA-256 of the disk, in hexadecimal. */
  sha256: string;
  size: number;
}

/**
 * Writes a tree as an EROFS file system and leaves it safely on the host's disk.
 *
 * @param identity decides the file system's UUID: 64 hexadecimal digits that stand for the content.
 */
export async function writeDisk(
  path: string,
  tree: Directory,
  identity: string,
  options: WriteOptions = {},
): Promise<WrittenDisk> {
  const layout = layOut(tree);
  const total = layout.blocks * BLOCK_SIZE;
  const contents = new ContentReader();
  const output = new HashedOutput(path);
  try {
    output.append(firstBlock(layout, identity, contents));
    let reported = 0;
    let block = 1;
    for (const section of layout.sections) {
      if (section.type === "inodes") {
        const buffer = output.reserve(section.blocks * BLOCK_SIZE);
        for (const node of section.nodes) encodeNode(node, buffer, node.nid * SLOT_SIZE - block * BLOCK_SIZE, contents);
        block += section.blocks;
      } else if (section.node.firstBlock === block) {
        const { node } = section;
        const length = node.blocks * BLOCK_SIZE;
        for (let position = 0; position < length; position += BUFFER_SIZE) {
          const part = output.reserve(Math.min(BUFFER_SIZE, length - position));
          readContent(
            node,
            position,
            part.subarray(0, Math.max(0, Math.min(part.length, node.size - position))),
            contents,
          );
        }
        block += node.blocks;
      }
      if (output.length - reported >= 4 * BUFFER_SIZE) {
        reported = output.length;
        options.progress?.(reported, total);
        await setImmediate();
        options.signal?.throwIfAborted();
      }
    }
    const sha256 = await output.finish();
    options.progress?.(total, total);
    return { sha256, size: total };
  } finally {
    output.close();
    contents.close();
  }
}

/** A file that is written from its beginning to its end, and hashed on the way. */
class HashedOutput {
  readonly #file: number;
  readonly #hash = createHash("sha256");
  #buffer = Buffer.alloc(BUFFER_SIZE);
  #used = 0;
  length = 0;

  constructor(path: string) {
    this.#file = openSync(path, "wx", 0o644);
  }

  /** The next `length` bytes of the file, zero, to be filled before the next call. */
  reserve(length: number): Buffer {
    if (this.#used + length > this.#buffer.length) this.#flush();
    if (length > this.#buffer.length) this.#buffer = Buffer.alloc(length);
    const part = this.#buffer.subarray(this.#used, this.#used + length).fill(0);
    this.#used += length;
    this.length += length;
    return part;
  }

  append(data: Buffer): void {
    data.copy(this.reserve(data.length));
  }

  async finish(): Promise<string> {
    this.#flush();
    await fsync(this.#file);
    return this.#hash.digest("hex");
  }

  close(): void {
    closeSync(this.#file);
  }

  #flush(): void {
    const data = this.#buffer.subarray(0, this.#used);
    this.#hash.update(data);
    for (let done = 0; done < data.length;) done += writeSync(this.#file, data, done);
    this.#used = 0;
  }
}

/** Fills `target` with a node's content from `position` on. */
function readContent(node: Node, position: number, target: Buffer, contents: ContentReader): void {
  if (target.length === 0) return;
  const { inode } = node;
  if (inode.type === "file") contents.read(inode.content, position, target);
  else if (inode.type === "symlink") target.write(inode.target.slice(position), "latin1");
  else if (node.listing) encodeListing(node, position, target);
}

/** A directory's content; `position` is the start of a block. */
function encodeListing(node: Node, position: number, target: Buffer): void {
  const listing = node.listing ?? [];
  for (let start = 0; start < target.length; start += BLOCK_SIZE) {
    const names = listing[(position + start) / BLOCK_SIZE] ?? [];
    let nameOffset = names.length * DIRENT_SIZE;
    names.forEach(({ name, target: { nid, inode } }, index) => {
      const entry = start + index * DIRENT_SIZE;
      target.writeBigUInt64LE(BigInt(nid), entry);
      target.writeUInt16LE(nameOffset, entry + 8);
      target.writeUInt8(FILE_TYPES[inode.type].dirent, entry + 10);
      target.write(name, start + nameOffset, "latin1");
      nameOffset += name.length;
    });
  }
}

function encodeNode(node: Node, buffer: Buffer, offset: number, contents: ContentReader): void {
  const { inode } = node;
  const isDevice = inode.type === "character device" || inode.type === "block device";
  const layout = node.tail > 0 ? LAYOUT_FLAT_INLINE : LAYOUT_FLAT_PLAIN;
  buffer.writeUInt16LE((node.extended ? 1 : 0) | (layout << 1), offset);
  buffer.writeUInt16LE(node.xattrs.length === 0 ? 0 : (node.xattrs.length - XATTR_HEADER_SIZE) / 4 + 1, offset + 2);
  buffer.writeUInt16LE(FILE_TYPES[inode.type].mode | inode.mode, offset + 4);
  buffer.writeUInt32LE(isDevice ? encodeDevice(inode.major, inode.minor) : node.firstBlock, offset + 16);
  // The inode's number. Its position is unique too and, unlike a running number, does not change with files that lie elsewhere.
  buffer.writeUInt32LE(node.nid >>> 0, offset + 20);
  if (node.extended) {
    buffer.writeBigUInt64LE(BigInt(node.size), offset + 8);
    buffer.writeUInt32LE(inode.uid, offset + 24);
    buffer.writeUInt32LE(inode.gid, offset + 28);
    buffer.writeBigInt64LE(BigInt(inode.mtime), offset + 32);
    buffer.writeUInt32LE(inode.mtimeNs, offset + 40);
    buffer.writeUInt32LE(node.links, offset + 44);
  } else {
    buffer.writeUInt16LE(node.links, offset + 6);
    buffer.writeUInt32LE(node.size, offset + 8);
    buffer.writeUInt16LE(inode.uid, offset + 24);
    buffer.writeUInt16LE(inode.gid, offset + 26);
  }
  node.xattrs.copy(buffer, offset + (node.extended ? EXTENDED_INODE_SIZE : COMPACT_INODE_SIZE));
  const tail = offset + headSize(node);
  readContent(node, node.size - node.tail, buffer.subarray(tail, tail + node.tail), contents);
}

/** The superblock and the root directory. */
function firstBlock(layout: Layout, identity: string, contents: ContentReader): Buffer {
  const block = Buffer.alloc(BLOCK_SIZE);
  encodeNode(layout.root, block, layout.root.nid * SLOT_SIZE, contents);

  const superblock = block.subarray(SUPERBLOCK_OFFSET);
  superblock.writeUInt32LE(SUPERBLOCK_MAGIC, 0);
  superblock.writeUInt32LE(FEATURE_COMPAT_CHECKSUM | FEATURE_COMPAT_MTIME, 8);
  superblock.writeUInt8(BLOCK_BITS, 12);
  superblock.writeUInt16LE(layout.root.nid, 14);
  superblock.writeBigUInt64LE(BigInt(layout.nodes.length), 16);
  superblock.writeBigInt64LE(BigInt(layout.time.seconds), 24);
  superblock.writeUInt32LE(layout.time.nanoseconds, 32);
  superblock.writeUInt32LE(layout.blocks, 36);
  contentUuid(identity).copy(superblock, 48);
  superblock.writeUInt32LE(crc32c(superblock), 4);
  return block;
}
