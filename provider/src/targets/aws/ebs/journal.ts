import { randomUUID } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";
import { mkdir, readFile, rm } from "node:fs/promises";
import * as path from "node:path";

/** What a file says of an upload that did not come to its end. */
export interface Unfinished {
  /** Makes starting the snapshot idempotent: starting it again with this gives the same snapshot. */
  token: string;
  /** What was being uploaded, and how. */
  request: string;
  /** Undefined when the process ended before it knew whether the snapshot was started. */
  snapshotId?: string;
  /** The SHA-256 (base64) of each block that AWS has confirmed. */
  written: Map<number, string>;
  /** Whether the snapshot was completed, and only its caller's record of it may have been lost. */
  completed: boolean;
}

/**
 * What has been done of an upload, in a file, so that a process that is killed, or a connection that breaks for good, costs neither the
 * blocks that have arrived nor a snapshot that nobody knows of. A line that is lost means that its block is sent twice, no more; so
 * nothing waits for the disk.
 */
export class UploadJournal {
  readonly #file: number;

  private constructor(
    readonly path: string,
    readonly token: string,
    file: number,
  ) {
    this.#file = file;
  }

  /** What an earlier process left, if it left anything that can be read. */
  static async read(file: string): Promise<Unfinished | undefined> {
    const text = await readFile(file, "utf8").catch(() => "");
    // The last line may have been cut off.
    const lines = text.split("\n").slice(0, -1).map(parse);
    const [head, ...rest] = lines;
    if (typeof head?.["token"] !== "string" || typeof head["request"] !== "string") return undefined;
    const result: Unfinished = { token: head["token"], request: head["request"], written: new Map(), completed: false };
    for (const line of rest) {
      if (typeof line?.["snapshot"] === "string") result.snapshotId = line["snapshot"];
      if (line?.["completed"] === true) result.completed = true;
      if (typeof line?.["block"] === "number") result.written.set(line["block"], String(line["sha256"]));
    }
    return result;
  }

  /** Begins a new file in the place of one that may be there. */
  static async create(file: string, request: string): Promise<UploadJournal> {
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    const journal = new UploadJournal(file, randomUUID(), openSync(file, "w", 0o600));
    journal.#append({ token: journal.token, request });
    return journal;
  }

  /** Goes on with the file that {@link read} read. */
  static resume(file: string, token: string): UploadJournal {
    return new UploadJournal(file, token, openSync(file, "a"));
  }

  started(snapshotId: string): void {
    this.#append({ snapshot: snapshotId });
  }

  written(block: number, sha256: string): void {
    this.#append({ block, sha256 });
  }

  completed(): void {
    this.#append({ completed: true });
  }

  /** Leaves the file for the next process. */
  close(): void {
    closeSync(this.#file);
  }

  /** The upload is done, or given up. */
  async remove(): Promise<void> {
    await rm(this.path, { force: true });
  }

  #append(line: object): void {
    writeSync(this.#file, `${JSON.stringify(line)}\n`);
  }
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
