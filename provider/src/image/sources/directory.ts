/**
 * A folder of the host as root file system.
 *
 * What differs between two machines that hold the same files is left out, so that both make the same image:
 *  - times: every file is dated 1980-01-01, the earliest that all common formats can express;
 *  - the owner, where it is the user who builds: such files belong to root. Other owners are kept;
 *  - write permission for the group alone where the group is the builder's, too (umask 002 against 022).
 * Extended attributes are left out too: Node.js cannot read them.
 */
import { type BigIntStats, lstatSync, readdirSync, readlinkSync } from "node:fs";
import { resolve } from "node:path";
import { setImmediate } from "node:timers/promises";
import { changed, fileVersion, hashHostFile, unreadable } from "../content.js";
import { errorCode, VisibleError } from "../errors.js";
import { type ByteString, directory, type Directory, type Inode, toByteString } from "../tree.js";
import { treeDigest } from "../tree-digest.js";
import { FileIndex } from "./file-index.js";
import { NO_DEFAULTS, type ResolvedSource, type SourceContext } from "./source.js";

/** 1980-01-01T00:00:00Z. */
export const FIXED_TIME = 315532800;

const OWN_UID = process.getuid?.();
const OWN_GID = process.getgid?.();

export async function resolveDirectory(
  path: string,
  command: string[],
  context: SourceContext,
): Promise<ResolvedSource> {
  if (command.length === 0) throw new VisibleError(`The source directory "${path}" needs a command to run in it.`);
  const tree = await readDirectory(path, context);
  return {
    name: `directory "${path}"`,
    key: JSON.stringify(["directory", treeDigest(tree), command]),
    load: async () => ({ tree, defaults: { ...NO_DEFAULTS, entrypoint: command } }),
  };
}

/** Reads a folder with the digests of its files. Files that are as the index remembers them are not read again. */
export async function readDirectory(path: string, context: SourceContext): Promise<Directory> {
  const root = resolve(context.baseDir, path);
  let stats: BigIntStats;
  try {
    stats = lstatSync(root, { bigint: true });
    if (stats.isSymbolicLink()) stats = lstatSync(`${root}/.`, { bigint: true });
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw unreadable(toByteString(root), error);
    throw new VisibleError(`The source directory "${path}" does not exist (looked for "${root}").`);
  }
  if (!stats.isDirectory()) throw new VisibleError(`The source directory "${path}" is not a directory.`);

  const index = await FileIndex.open(root, context.cache);
  const scan = new Scan(index, context);
  const tree = await scan.directory(Buffer.from(root), "", stats);
  await index.save();
  return tree;
}

class Scan {
  readonly #index: FileIndex;
  readonly #context: SourceContext;
  readonly #links = new Map<string, Inode>();
  #seen = 0;

  constructor(index: FileIndex, context: SourceContext) {
    this.#index = index;
    this.#context = context;
  }

  async directory(path: Buffer, relative: ByteString, stats: BigIntStats): Promise<Directory> {
    const result = directory(metadata(stats));
    let names: string[];
    try {
      names = present(path, () => readdirSync(path, { encoding: "latin1" }));
    } catch (error) {
      throw unreadable(path.toString("latin1"), error);
    }
    for (const name of names.sort()) {
      const child = Buffer.concat([path, Buffer.from(`/${name}`, "latin1")]);
      result.entries.set(name, await this.#inode(child, `${relative}/${name}`));
    }
    return result;
  }

  async #inode(path: Buffer, relative: ByteString): Promise<Inode> {
    if (++this.#seen % 1000 === 0) {
      await setImmediate();
      this.#context.signal?.throwIfAborted();
    }
    const stats = present(path, () => lstatSync(path, { bigint: true }));
    const identity = `${stats.dev}:${stats.ino}`;
    const linked = stats.nlink > 1n ? this.#links.get(identity) : undefined;
    if (linked) return linked;
    const inode = await this.#read(path, relative, stats);
    if (stats.nlink > 1n && inode.type !== "directory") this.#links.set(identity, inode);
    return inode;
  }

  async #read(path: Buffer, relative: ByteString, stats: BigIntStats): Promise<Inode> {
    const common = metadata(stats);
    if (stats.isDirectory()) return this.directory(path, relative, stats);
    if (stats.isSymbolicLink())
      return {
        type: "symlink",
        ...common,
        mode: 0o777,
        target: present(path, () => readlinkSync(path, "latin1")),
        layer: 0,
      };
    if (stats.isFile()) {
      const hostFile = path.toString("latin1");
      const version = fileVersion(stats);
      const sha256 = this.#index.find(relative, version) ?? (await hashHostFile(hostFile, version));
      this.#index.set(relative, version, sha256);
      return { type: "file", ...common, size: Number(stats.size), sha256, layer: 0, content: { hostFile, version } };
    }
    const type = stats.isCharacterDevice()
      ? "character device"
      : stats.isBlockDevice()
        ? "block device"
        : stats.isFIFO()
          ? "fifo"
          : "socket";
    const isDevice = type === "character device" || type === "block device";
    const { major, minor } = isDevice ? hostDevice(stats.rdev) : { major: 0, minor: 0 };
    return { type, ...common, major, minor, layer: 0 };
  }
}

/** Looks at something that was there a moment ago. */
function present<T>(path: Buffer, look: () => T): T {
  try {
    return look();
  } catch (error) {
    throw errorCode(error) === "ENOENT" ? changed(path.toString("latin1")) : error;
  }
}

function metadata(stats: BigIntStats): { mode: number; uid: number; gid: number; mtime: number; mtimeNs: number } {
  const mode = Number(stats.mode) & 0o7777;
  const [uid, gid] = [Number(stats.uid), Number(stats.gid)];
  return {
    // To another group, permission was given on purpose: it is that of a daemon.
    mode: gid === OWN_GID && (mode & 0o022) === 0o020 ? mode & ~0o020 : mode,
    uid: uid === OWN_UID ? 0 : uid,
    gid: gid === OWN_GID ? 0 : gid,
    mtime: FIXED_TIME,
    mtimeNs: 0,
  };
}

/** Device numbers as glibc's `dev_t` holds them. */
function hostDevice(device: bigint): { major: number; minor: number } {
  return {
    major: Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n)),
    minor: Number((device & 0xffn) | ((device >> 12n) & 0xffffff00n)),
  };
}
