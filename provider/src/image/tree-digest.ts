import { createHash } from "node:crypto";
import type { Directory, Inode } from "./tree.js";
import { walk } from "./tree.js";

/** SHA-256, in hexadecimal, over everything that decides the bytes of a disk made of this tree. */
export function treeDigest(root: Directory): string {
  const hash = createHash("sha256");
  const first = new Map<Inode, string>();
  const add = (path: string, inode: Inode): void => {
    const sameAs = first.get(inode);
    first.set(inode, path);
    const { mode, uid, gid, mtime, mtimeNs } = inode;
    const xattrs = [...(inode.xattrs ?? [])].map(([name, value]) => [name, value.toString("hex")]).sort();
    hash.update(
      JSON.stringify([
        path,
        inode.type,
        ...(sameAs === undefined ? [mode, uid, gid, mtime, mtimeNs, xattrs, own(inode)] : [sameAs]),
      ]),
    );
    hash.update("\n");
  };
  add("/", root);
  for (const [path, inode] of walk(root)) add(path, inode);
  return hash.digest("hex");
}

function own(inode: Inode): unknown[] {
  switch (inode.type) {
    case "file":
      return [inode.size, inode.sha256, inode.layer];
    case "symlink":
      return [inode.target, inode.layer];
    case "directory":
      return [];
    default:
      return [inode.major, inode.minor, inode.layer];
  }
}
