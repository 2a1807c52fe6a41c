import { closeSync, constants, type BigIntStats, fstatSync, openSync, readSync } from "node:fs";
import { errorCode, VisibleError } from "./errors.js";
import type { Content } from "./tree.js";

/** What must stay the same of a host file between looking at it and copying it. */
export function fileVersion(stats: BigIntStats): string {
  return `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`;
}

/** Reads parts of files' contents, holding the last few files open. */
export class ContentReader {
  readonly #open = new Map<string, number>();

  /** Fills `target` with the content from `position` on. */
  read(content: Content, position: number, target: Buffer): void {
    if ("data" in content) {
      content.data.copy(target, 0, position, position + target.length);
      return;
    }
    const path = "file" in content ? content.file : content.hostFile;
    const start = "file" in content ? content.offset + position : position;
    const file = this.#open.get(path) ?? this.#openFile(path, content);
    let done = 0;
    while (done < target.length) {
      const count = readSync(file, target, done, target.length - done, start + done);
      if (count === 0) throw changed(path);
      done += count;
    }
  }

  close(): void {
    for (const file of this.#open.values()) closeSync(file);
    this.#open.clear();
  }

  #openFile(path: string, content: Content): number {
    if (this.#open.size >= 16) {
      const [oldest] = this.#open as unknown as Iterable<[string, number]>;
      if (oldest) {
        closeSync(oldest[1]);
        this.#open.delete(oldest[0]);
      }
    }
    let file: number;
    try {
      file = openSync(path, constants.O_RDONLY);
    } catch (error) {
      if ("hostFile" in content && errorCode(error) === "ENOENT") throw changed(path);
      throw error;
    }
    if ("hostFile" in content && fileVersion(fstatSync(file, { bigint: true })) !== content.version) {
      closeSync(file);
      throw changed(path);
    }
    this.#open.set(path, file);
    return file;
  }
}

function changed(path: string): VisibleError {
  return new VisibleError(`"${path}" changed while the image was being built. Build again when nothing writes to it.`);
}
