import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { type Directory, directory, type File, type Inode, walk } from "../tree.js";

/** A file of a tree, root's and dated 0 unless said otherwise. */
export function file(content: string | Buffer, metadata: Partial<File> = {}): File {
  const data = Buffer.from(content as string);
  const sha256 = createHash("sha256").update(data).digest("hex");
  return {
    type: "file",
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime: 0,
    mtimeNs: 0,
    layer: 0,
    ...metadata,
    size: data.length,
    content: { data },
    sha256,
  };
}

export function symlink(target: string): Inode {
  return { type: "symlink", mode: 0o777, uid: 0, gid: 0, mtime: 0, mtimeNs: 0, layer: 0, target };
}

/** A directory with these entries. */
export function folder(entries: Record<string, Inode>, metadata: Parameters<typeof directory>[0] = {}): Directory {
  const result = directory(metadata);
  for (const [name, inode] of Object.entries(entries)) result.entries.set(name, inode);
  return result;
}

/** Has erofs-utils check a disk. @returns what it says. */
export function fsck(disk: string): string {
  return execFileSync("fsck.erofs", ["-d3", "--extract", disk], { encoding: "utf8", stdio: "pipe" });
}

/** Has erofs-utils unpack a disk. */
export function extract(disk: string, target: string): void {
  execFileSync("fsck.erofs", [`--extract=${target}`, "--preserve", disk], { stdio: "pipe" });
}

export interface Listed {
  type: string;
  mode: number;
  uid: number;
  gid: number;
  mtime: number;
  content?: string;
}

/** What a tree should look like once it is unpacked. */
export function listTree(root: Directory): Record<string, Listed> {
  const result: Record<string, Listed> = {};
  for (const [path, inode] of walk(root)) {
    const { type, mode, uid, gid, mtime } = inode;
    const content =
      inode.type === "file" && "data" in inode.content
        ? inode.content.data.toString("latin1")
        : inode.type === "symlink"
          ? inode.target
          : undefined;
    result[path] = {
      type,
      mode: type === "symlink" ? 0o777 : mode,
      uid,
      gid,
      mtime,
      ...(content !== undefined ? { content } : {}),
    };
  }
  return result;
}

/** What is below a folder of the host. */
export function listFolder(root: string, prefix = ""): Record<string, Listed> {
  const result: Record<string, Listed> = {};
  for (const name of readdirSync(Buffer.from(root + prefix, "latin1"), { encoding: "latin1" }).sort()) {
    const path = `${prefix}/${name}`;
    const host = Buffer.from(root + path, "latin1");
    const stats = lstatSync(host);
    const type = stats.isDirectory()
      ? "directory"
      : stats.isFile()
        ? "file"
        : stats.isSymbolicLink()
          ? "symlink"
          : stats.isCharacterDevice()
            ? "character device"
            : stats.isBlockDevice()
              ? "block device"
              : stats.isFIFO()
                ? "fifo"
                : "socket";
    const content =
      type === "file"
        ? readFileSync(host).toString("latin1")
        : type === "symlink"
          ? readlinkSync(host, "latin1")
          : undefined;
    result[path] = {
      type,
      mode: stats.mode & 0o7777,
      uid: stats.uid,
      gid: stats.gid,
      mtime: Math.floor(stats.mtimeMs / 1000),
      ...(content !== undefined ? { content } : {}),
    };
    if (type === "directory") Object.assign(result, listFolder(root, path));
  }
  return result;
}
