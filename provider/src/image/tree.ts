/**
 * A root file system in memory: metadata here, file contents wherever they are. Two names for one inode (hard links) are two
 * entries that hold the same object.
 *
 * Linux file names, symlink targets and extended attribute names are bytes, not text. They are kept here as *byte strings*:
 * JavaScript strings with one character per byte (Node's `latin1`), so that nothing is lost and `<` orders them as Linux does.
 */
export type ByteString = string;

/** The bytes of a text as a byte string. */
export function toByteString(text: string): ByteString {
  return Buffer.from(text, "utf8").toString("latin1");
}

/** A byte string as text for a person. */
export function toText(bytes: ByteString): string {
  return Buffer.from(bytes, "latin1").toString("utf8");
}

/** Where a file's bytes are. */
export type Content =
  | { data: Buffer }
  /** A part of a file in the cache. */
  | { file: string; offset: number }
  /** A file of the user's, with what `fstat` must say of it still when it is read. */
  | { hostFile: ByteString; version: string };

interface Metadata {
  /** Permission bits, with set-user-ID, set-group-ID and sticky. */
  mode: number;
  uid: number;
  gid: number;
  /** Modification time: seconds since 1970, and nanoseconds on top. */
  mtime: number;
  mtimeNs: number;
  /** Extended attributes by full name (`security.capability`). */
  xattrs?: Map<ByteString, Buffer>;
}

export interface File extends Metadata {
  type: "file";
  size: number;
  content: Content;
  /** SHA-256 of the content, in hexadecimal. */
  sha256: string;
  /** Which layer the content came with, counted from the bottom. Files of one layer lie together on the disk. */
  layer: number;
}

export interface Directory extends Metadata {
  type: "directory";
  entries: Map<ByteString, Inode>;
}

export interface Symlink extends Metadata {
  type: "symlink";
  target: ByteString;
  layer: number;
}

export interface Special extends Metadata {
  type: "character device" | "block device" | "fifo" | "socket";
  /** Device numbers; 0 for a fifo or socket. */
  major: number;
  minor: number;
  layer: number;
}

export type Inode = File | Directory | Symlink | Special;

export function directory(metadata: Partial<Metadata> = {}): Directory {
  return { type: "directory", mode: 0o755, uid: 0, gid: 0, mtime: 0, mtimeNs: 0, ...metadata, entries: new Map() };
}

/** The entries of a directory in the order of their bytes. */
export function sortedEntries(directory: Directory): [ByteString, Inode][] {
  return [...directory.entries].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}

/** Every name in the tree below `root`, parents first, in path order. Paths begin with `/`; the root itself is not among them. */
export function* walk(root: Directory, prefix: ByteString = ""): Generator<[path: ByteString, inode: Inode]> {
  for (const [name, inode] of sortedEntries(root)) {
    const path = `${prefix}/${name}`;
    yield [path, inode];
    if (inode.type === "directory") yield* walk(inode, path);
  }
}
