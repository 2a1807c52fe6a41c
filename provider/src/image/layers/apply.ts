/**
 * Lays layers over each other.
 *
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.0/layer.md
 */
import { VisibleError } from "../errors.js";
import { makeDirectories } from "../make-directories.js";
import { resolve } from "../resolve.js";
import { type ByteString, directory, type Directory, type Inode, toText } from "../tree.js";
import type { LayerEntry, UnpackedLayer } from "./unpack.js";

const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";

/** Changes `root`, which holds the layers below, as a layer says. Layers are counted from the bottom. */
export function applyLayer(root: Directory, layer: UnpackedLayer, number: number, name: string): void {
  // Whiteouts hide what lower layers have, wherever they stand in the archive.
  for (const entry of layer.entries) hide(root, entry);
  for (const entry of layer.entries) {
    if (!baseName(entry.path).startsWith(WHITEOUT)) add(root, entry, layer, number, name);
  }
}

function hide(root: Directory, { path }: LayerEntry): void {
  const base = baseName(path);
  if (!base.startsWith(WHITEOUT)) return;
  const parent = resolve(root, parentPath(path))?.inode;
  if (parent?.type !== "directory") return;
  if (base === OPAQUE) parent.entries.clear();
  else parent.entries.delete(base.slice(WHITEOUT.length));
}

function add(root: Directory, entry: LayerEntry, layer: UnpackedLayer, number: number, name: string): void {
  if (entry.path === "") {
    if (entry.type === "directory") Object.assign(root, metadata(entry));
    return;
  }
  const parent = makeParent(root, entry, name);
  const base = baseName(entry.path);
  const present = parent.entries.get(base);
  if (entry.type === "directory" && present?.type === "directory") {
    delete present.xattrs;
    Object.assign(present, metadata(entry));
    return;
  }
  parent.entries.set(base, toInode(root, entry, layer, number, name));
}

function toInode(root: Directory, entry: LayerEntry, layer: UnpackedLayer, number: number, name: string): Inode {
  const common = { ...metadata(entry), layer: number };
  switch (entry.type) {
    case "directory":
      return directory(metadata(entry));
    case "symlink":
      return { type: "symlink", ...common, mode: 0o777, target: entry.target ?? "" };
    case "hard link": {
      const target = resolve(root, entry.target ?? "", { followLast: false });
      if (target && target.inode.type !== "directory") return target.inode;
      throw new VisibleError(
        `The layer ${name} holds the hard link "${toText(entry.path)}" to "${toText(entry.target ?? "")}", which is ${target ? "a directory" : "not there"}. The image is damaged.`,
      );
    }
    case "file": {
      const { offset, size, sha256 } = entry.content ?? { offset: 0, size: 0, sha256: "" };
      return { type: "file", ...common, size, sha256, content: { file: layer.contents, offset } };
    }
    default:
      return { type: entry.type, ...common, major: entry.device?.[0] ?? 0, minor: entry.device?.[1] ?? 0 };
  }
}

/** The directory that an entry goes into. Symlinks on the way are followed inside the root; what is missing is made. */
function makeParent(root: Directory, entry: LayerEntry, name: string): Directory {
  const path = parentPath(entry.path);
  const found = resolve(root, path)?.inode;
  if (found?.type === "directory") return found;
  const made = makeDirectories(root, path, { mtime: entry.mtime, mtimeNs: entry.mtimeNs });
  if (typeof made !== "string") return made;
  throw new VisibleError(
    `The layer ${name} holds "${toText(entry.path)}", but "${toText(made)}" is not a directory. The image is damaged.`,
  );
}

function metadata(entry: LayerEntry): {
  mode: number;
  uid: number;
  gid: number;
  mtime: number;
  mtimeNs: number;
  xattrs?: Map<ByteString, Buffer>;
} {
  const { mode, uid, gid, mtime, mtimeNs } = entry;
  const xattrs = entry.xattrs?.map(([name, value]): [ByteString, Buffer] => [name, Buffer.from(value, "base64")]);
  return { mode, uid, gid, mtime, mtimeNs, ...(xattrs ? { xattrs: new Map(xattrs) } : {}) };
}

function parentPath(path: ByteString): ByteString {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

function baseName(path: ByteString): ByteString {
  return path.slice(path.lastIndexOf("/") + 1);
}
