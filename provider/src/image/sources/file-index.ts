import { createHash } from "node:crypto";
import type { Cache } from "../cache.js";
import type { ByteString } from "../tree.js";

/** A file that changed this recently when the index was made may change again without its times showing it. */
const TIME_RESOLUTION_NS = 2_000_000_000n;

type Entry = [version: string, sha256: string];

/**
 * Remembers the digests of a folder's files by path, device, inode, size and times, so that a file that has not changed is not
 * read again.
 */
export class FileIndex {
  readonly #cache: Cache;
  readonly #name: string;
  readonly #before: Map<ByteString, Entry>;
  readonly #now = new Map<ByteString, Entry>();
  readonly #started = BigInt(Date.now()) * 1_000_000n;
  #changed = false;

  private constructor(cache: Cache, name: string, before: Map<ByteString, Entry>) {
    this.#cache = cache;
    this.#name = name;
    this.#before = before;
  }

  static async open(folder: string, cache: Cache): Promise<FileIndex> {
    const name = createHash("sha256").update(folder).digest("hex");
    const entries = (await cache.findJson("indexes", name)) as [ByteString, ...Entry][] | undefined;
    return new FileIndex(cache, name, new Map(entries?.map(([path, ...entry]) => [path, entry])));
  }

  find(path: ByteString, version: string): string | undefined {
    const entry = this.#before.get(path);
    return entry?.[0] === version ? entry[1] : undefined;
  }

  set(path: ByteString, version: string, sha256: string): void {
    const known = this.#before.get(path);
    if (known?.[0] === version) {
      this.#now.set(path, known);
      return;
    }
    this.#changed = true;
    const [mtime, ctime] = version.split(":").slice(-2).map(BigInt) as [bigint, bigint];
    const newest = mtime > ctime ? mtime : ctime;
    if (newest + TIME_RESOLUTION_NS < this.#started) this.#now.set(path, [version, sha256]);
  }

  async save(): Promise<void> {
    if (!this.#changed && this.#now.size === this.#before.size) return;
    await this.#cache.addJson(
      "indexes",
      this.#name,
      [...this.#now].map(([path, entry]) => [path, ...entry]),
    );
  }
}
