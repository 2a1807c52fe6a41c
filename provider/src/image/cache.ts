/**
 * Results of build steps, kept for all stacks of a user.
 *
 * An entry is a file or a folder that appears whole, by a rename, after its bytes are on the disk; a process that dies in
 * between, or a disk that fills up, leaves only something below `tmp/`, which the next process removes. Entries are named by what they
 * were made of, so it does no harm when two processes make the same one.
 *
 * Pruning: after each build that added something, entries are removed, least recently used first, until all together are
 * no larger than 10 GiB. What was used within the last hour is never removed, since a build may be reading it.
 */
import { closeSync, fsyncSync, openSync, readlinkSync } from "node:fs";
import { lstat, mkdir, open, readdir, readFile, rename, rm, utimes } from "node:fs/promises";
import { homedir, hostname } from "node:os";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { errorCode, VisibleError } from "./errors.js";

export type CacheSection =
  /** Manifests, configurations and layers from registries, by digest. */
  | "blobs"
  /** Unpacked layers. */
  | "layers"
  /** EROFS file systems, by the digest of the tree in them. */
  | "disks"
  /** Copies of the kernels that images were built with, by digest. */
  | "kernels"
  /** Descriptions of built images, by digest. */
  | "images"
  /** What a source's files were like when it was last looked at. */
  | "indexes"
  /** What a step's inputs led to. */
  | "results"
  /** What was found out about the ways to run guests on a host. */
  | "accelerators";

const SECTIONS: CacheSection[] = [
  "blobs",
  "layers",
  "disks",
  "kernels",
  "images",
  "indexes",
  "results",
  "accelerators",
];

/** Goes into every key; a new number leaves everything that older versions made unused. */
const FORMAT = "v1";

const MAX_SIZE = 10 * 1024 ** 3;
const IN_USE_MS = 60 * 60 * 1000;
const ABANDONED_MS = 24 * 60 * 60 * 1000;

export function defaultCacheDir(): string {
  const base = process.env["XDG_CACHE_HOME"];
  return join(base !== undefined && base.startsWith("/") ? base : join(homedir(), ".cache"), "unikernel");
}

export class Cache {
  readonly root: string;
  #added = false;

  private constructor(root: string) {
    this.root = root;
  }

  /** Opens a cache, makes it when there is none, and removes what dead processes left. */
  static async open(dir = defaultCacheDir()): Promise<Cache> {
    const cache = new Cache(join(dir, FORMAT));
    try {
      for (const section of [...SECTIONS, "tmp"]) {
        // Images may hold what others are not to see.
        await mkdir(join(cache.root, section), { recursive: true, mode: 0o700 });
      }
    } catch (error) {
      if (isFull(error)) throw cache.#full();
      throw new VisibleError(
        `The cache folder "${dir}" cannot be made (${errorCode(error)}). Set XDG_CACHE_HOME to a folder that you can write to.`,
      );
    }
    await cache.#sweep();
    return cache;
  }

  /** Where an entry is, or would be. */
  path(section: CacheSection, name: string): string {
    return join(this.root, section, name);
  }

  /** The path of an entry, marked as used now; undefined when there is none. */
  async find(section: CacheSection, name: string): Promise<string | undefined> {
    const path = this.path(section, name);
    try {
      const now = new Date();
      await utimes(path, now, now);
      return path;
    } catch (error) {
      if (errorCode(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  /** An entry that is a JSON document. */
  async findJson(section: CacheSection, name: string): Promise<unknown> {
    const path = await this.find(section, name);
    return path === undefined ? undefined : JSON.parse(await readFile(path, "utf8"));
  }

  /**
   * Adds an entry: `write` makes a file or a folder at the path that it is given, with its content safely on the disk. When the disk is
   * full, what nobody uses makes room, and `write` is called once more.
   */
  async add<T>(section: CacheSection, name: string, write: (path: string) => Promise<T>): Promise<T> {
    this.#added = true;
    try {
      return await this.#write(section, name, write);
    } catch (error) {
      if (!isFull(error)) throw error;
      if ((await this.#evict(0, IN_USE_MS)) === 0) throw this.#full();
    }
    try {
      return await this.#write(section, name, write);
    } catch (error) {
      throw isFull(error) ? this.#full() : error;
    }
  }

  async #write<T>(section: CacheSection, name: string, write: (path: string) => Promise<T>): Promise<T> {
    const temporary = this.#temporary();
    try {
      const result = await write(temporary);
      try {
        await rename(temporary, this.path(section, name));
      } catch (error) {
        // A folder that another process has put there meanwhile: the same content.
        if (!["ENOTEMPTY", "EEXIST"].includes(errorCode(error) ?? "")) throw error;
      }
      syncDirectory(join(this.root, section));
      return result;
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  }

  async addJson(section: CacheSection, name: string, value: unknown): Promise<void> {
    await this.add(section, name, (path) => writeSynced(path, JSON.stringify(value)));
  }

  /** Removes what has not been used for longest, if this process added anything and there is too much. */
  async prune(limits: { maxSize?: number; inUseMs?: number } = {}): Promise<void> {
    if (!this.#added) return;
    this.#added = false;
    await this.#evict(limits.maxSize ?? MAX_SIZE, limits.inUseMs ?? IN_USE_MS);
  }

  /** Removes what has not been used for longest and is not in use, until `maxSize` bytes are left. Returns how many entries it removed. */
  async #evict(maxSize: number, inUseMs: number): Promise<number> {
    const entries: { path: string; size: number; used: number }[] = [];
    for (const section of SECTIONS) {
      for (const name of await readdir(join(this.root, section))) {
        const path = join(this.root, section, name);
        const stats = await lstat(path).catch(() => undefined);
        if (stats) entries.push({ path, size: await sizeOnDisk(path), used: stats.mtimeMs });
      }
    }
    let size = entries.reduce((sum, entry) => sum + entry.size, 0);
    let removed = 0;
    const unused = Date.now() - inUseMs;
    for (const entry of entries.sort((a, b) => a.used - b.used)) {
      if (size <= maxSize || entry.used > unused) break;
      const doomed = this.#temporary();
      await rename(entry.path, doomed).catch(() => undefined);
      await rm(doomed, { recursive: true, force: true });
      size -= entry.size;
      removed++;
    }
    return removed;
  }

  /** A path for what is on its way into the cache or out of it. */
  #temporary(): string {
    return join(this.root, "tmp", `${processIdentity}.${randomBytes(6).toString("hex")}`);
  }

  async #sweep(): Promise<void> {
    const folder = join(this.root, "tmp");
    for (const name of await readdir(folder)) {
      const path = join(folder, name);
      if (await isAbandoned(path, name)) await rm(path, { recursive: true, force: true });
    }
  }

  #full(): VisibleError {
    return new VisibleError(
      `The disk that holds the cache is full. Free some space, or remove "${this.root}" and build again.`,
    );
  }
}

function isFull(error: unknown): boolean {
  return ["ENOSPC", "EDQUOT"].includes(errorCode(error) ?? "");
}

/** Writes a file and waits until it is on the disk. */
export async function writeSynced(path: string, data: string | Uint8Array): Promise<void> {
  const file = await open(path, "wx");
  try {
    await file.writeFile(data);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Waits until the names in a folder are on the disk. */
export function syncDirectory(path: string): void {
  if (process.platform === "win32") return;
  const file = openSync(path, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/**
 * Names this process among all that may share the cache folder: process ids say something only within one machine and one PID namespace.
 */
const pidNamespace = `${hostname()}-${readlink("/proc/self/ns/pid") ?? process.platform}`.replace(
  /[^A-Za-z0-9]+/g,
  "_",
);
const processIdentity = `${pidNamespace}.${process.pid}`;

function readlink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

async function isAbandoned(path: string, name: string): Promise<boolean> {
  const [namespace, pid] = name.split(".");
  if (namespace === pidNamespace) return !isAlive(Number(pid));
  const stats = await lstat(path).catch(() => undefined);
  return stats !== undefined && Date.now() - stats.mtimeMs > ABANDONED_MS;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === "EPERM";
  }
}

async function sizeOnDisk(path: string): Promise<number> {
  const stats = await lstat(path).catch(() => undefined);
  if (!stats?.isDirectory()) return stats?.size ?? 0;
  let size = 0;
  for (const name of await readdir(path).catch(() => [])) size += await sizeOnDisk(join(path, name));
  return size;
}
