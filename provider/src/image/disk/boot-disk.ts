import { createHash } from "node:crypto";
import { type FileHandle, open, readFile } from "node:fs/promises";
import { VisibleError } from "../errors.js";
import type { BuiltImage, Digest } from "../types.js";
import { layOut } from "./layout.js";

/** A disk that boots everywhere, as a reader sees it; no file holds it. */
export interface BootDisk {
  /** Covers every byte. */
  readonly digest: Digest;
  /** Bytes, a multiple of 512. */
  readonly size: number;
  /** Ranges that hold data, ascending, not overlapping; everything else reads as zeros. */
  readonly extents: readonly Extent[];
  /** The bytes from `offset` on. The range lies within the disk. */
  read(offset: number, length: number): Promise<Buffer>;
  /** Likewise, into a buffer that the caller has: its length says how many. */
  readInto(offset: number, target: Buffer): Promise<void>;
  /** Lets go of the files that it reads from. */
  close(): Promise<void>;
}

/** A range of bytes. */
export interface Extent {
  offset: number;
  length: number;
}

export interface BootDiskOptions {
  /** The size of the disk is a multiple of this many bytes. Default: 1 MiB. */
  roundTo?: number | undefined;
}

/**
 * Opens the disk that boots an image under UEFI and BIOS: GUID partition table, boot loaders, kernel and the image's own disk as the root
 * partition. The same image gives the same bytes.
 */
export async function openBootDisk(image: BuiltImage, options: BootDiskOptions = {}): Promise<BootDisk> {
  const { loaders, path: kernel } = image.kernel;
  if (loaders === undefined) {
    throw new VisibleError(
      `The kernel "${kernel}" has no boot loaders beside it, so no disk of it can boot on its own. Use the kernel that comes with the package.`,
    );
  }
  const [kernelBytes, bios, uefi] = await Promise.all(
    [kernel, loaders.bios.path, loaders.uefi.path].map((path) => readFile(path)),
  );
  const layout = layOut(
    {
      architecture: image.architecture,
      kernel: kernelBytes as Buffer,
      loaders: { bios: bios as Buffer, uefi: uefi as Buffer },
      rootSize: image.size,
    },
    options.roundTo,
  );
  const root = await open(image.disk, "r");
  const pieces: Piece[] = [
    ...layout.parts.map(({ offset, data }) => ({ offset, length: data.length, content: data, sha256: sha256(data) })),
    { offset: layout.rootOffset, length: image.size, content: root, sha256: image.diskDigest.slice("sha256:".length) },
  ];
  return new ComposedDisk(
    layout.size,
    pieces.sort((a, b) => a.offset - b.offset),
    root,
  );
}

interface Piece extends Extent {
  /** In memory, or all of a file. */
  content: Buffer | FileHandle;
  /** Of the content, in hexadecimal. */
  sha256: string;
}

class ComposedDisk implements BootDisk {
  readonly digest: Digest;
  readonly extents: readonly Extent[];

  constructor(
    readonly size: number,
    private readonly pieces: readonly Piece[],
    private readonly file: FileHandle,
  ) {
    this.extents = pieces.map(({ offset, length }) => ({ offset, length }));
    const parts = pieces.map(({ offset, length, sha256 }) => ({ offset, length, sha256 }));
    this.digest = `sha256:${sha256(JSON.stringify({ size, parts }))}`;
  }

  async read(offset: number, length: number): Promise<Buffer> {
    const target = Buffer.allocUnsafe(length);
    await this.readInto(offset, target);
    return target;
  }

  async readInto(offset: number, target: Buffer): Promise<void> {
    const { length } = target;
    if (offset < 0 || offset + length > this.size)
      throw new RangeError(`${length} bytes at ${offset} are not within a disk of ${this.size} bytes`);
    // What no piece covers is zero.
    target.fill(0);
    for (const piece of this.pieces) {
      const start = Math.max(offset, piece.offset);
      const end = Math.min(offset + length, piece.offset + piece.length);
      if (start >= end) continue;
      const part = target.subarray(start - offset, end - offset);
      if (Buffer.isBuffer(piece.content)) piece.content.copy(part, 0, start - piece.offset);
      else await readFully(piece.content, part, start - piece.offset);
    }
  }

  close(): Promise<void> {
    return this.file.close();
  }
}

async function readFully(file: FileHandle, target: Buffer, position: number): Promise<void> {
  for (let done = 0; done < target.length;) {
    const { bytesRead } = await file.read(target, done, target.length - done, position + done);
    if (bytesRead === 0) throw new Error("The image's disk in the cache is shorter than it was.");
    done += bytesRead;
  }
}

function sha256(data: string | Buffer): string {
  return createHash("sha256").update(data).digest("hex");
}
