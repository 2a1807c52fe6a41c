import { createHash } from "node:crypto";
import { type Directory, type Inode, walk } from "./tree.js";

/** How many lines are hashed at once. */
const BATCH = 512;

/** SHA-256, in hexadecimal, over everything that decides the bytes of a disk made of this tree. */
export function treeDigest(root: Directory): string {
  const hash = createHash("sha256");
  const first = new Map<Inode, string>();
  let lines: string[] = [];
  const add = (path: string, inode: Inode): void => {
    const sameAs = first.get(inode);
    if (sameAs === undefined && inode.type !== "directory") first.set(inode, path);
    // Neither names nor targets can have a NUL in them.
    lines.push(path, sameAs === undefined ? describe(inode) : `same as ${sameAs}`);
    if (lines.length < BATCH) return;
    hash.update(`${lines.join("\0")}\0`);
    lines = [];
  };
  add("/", root);
  for (const [path, inode] of walk(root)) add(path, inode);
  return hash.update(lines.join("\0")).digest("hex");
}

function describe(inode: Inode): string {
  const { type, mode, uid, gid, mtime, mtimeNs } = inode;
  const xattrs = [...(inode.xattrs ?? [])].map(([name, value]) => `${name}=${value.toString("hex")}`).sort();
  return `${type} ${mode} ${uid} ${gid} ${mtime} ${mtimeNs} ${own(inode)} ${xattrs.join(" ")}`;
}

function own(inode: Inode): string {
  switch (inode.type) {
    case "file":
      return `${inode.size} ${inode.sha256} ${inode.layer}`;
    case "symlink":
      return `${inode.layer} ${inode.target}`;
    case "directory":
      return "";
    default:
      return `${inode.major} ${inode.minor} ${inode.layer}`;
  }
}
