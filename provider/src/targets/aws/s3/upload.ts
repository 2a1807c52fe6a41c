/** Brings bytes into an object of S3, whole or not at all. */
import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import * as path from "node:path";
import { VisibleError } from "../../../image/index.js";
import { partsOf, type Part } from "../../parts.js";
import { PARTS_IN_FLIGHT, type StorageConnection } from "../connection.js";
import {
  arrivedParts,
  beginUpload,
  cancelUpload,
  completeUpload,
  isForgotten,
  objectSize,
  sendPart,
  type ArrivedPart,
  type ObjectName,
} from "./objects.js";

/** Bytes sent with one request. S3 takes 10,000 parts of 5 MiB or more, the last one excepted. */
export const PART_SIZE = 8 * 2 ** 20;
/** How often an upload is begun when S3 has forgotten it. */
const MOST_BEGINNINGS = 3;

export interface ObjectUpload extends ObjectName {
  /** What tells the content from all others. It belongs into the key, too: an object with that key is taken for the one wanted. */
  digest: string;
}

/** How far an upload has come, in bytes. How many there are in all is known at the end only. */
export interface ObjectProgress {
  sent: number;
  /** Bytes that an interrupted upload had sent. */
  skipped: number;
}

export interface ObjectUploadOptions {
  /** The file in which an interrupted upload is found again. */
  journal: string;
  signal?: AbortSignal | undefined;
  progress?: ((progress: ObjectProgress) => void) | undefined;
}

/**
 * Uploads what `open` gives. An object that is there already is not sent again.
 *
 * Whoever ends it by the signal leaves nothing behind. When it fails for good, or its process is killed, the next call with the same journal sends those
 * parts that have not arrived yet.
 *
 * @returns the object's size in bytes.
 * @throws {VisibleError} when AWS refuses or cannot be reached; the message says why.
 */
export async function uploadObject(
  open: () => AsyncIterable<Buffer>,
  connection: StorageConnection,
  request: ObjectUpload,
  options: ObjectUploadOptions,
): Promise<number> {
  for (let beginnings = 1; beginnings <= MOST_BEGINNINGS; beginnings++) {
    const found = await objectSize(connection, request, options.signal);
    if (found !== undefined) {
      await giveUp(connection, options.journal);
      return found;
    }
    const size = await new MultipartUpload(connection, request, options).run(open);
    if (size !== undefined) return size;
  }
  throw new VisibleError(
    `S3 has lost what was uploaded to the bucket "${request.bucket}" ${MOST_BEGINNINGS} times. Run the update again later.`,
  );
}

class MultipartUpload {
  readonly #parts = new Map<number, ArrivedPart>();
  readonly #progress: ObjectProgress = { sent: 0, skipped: 0 };

  constructor(
    readonly connection: StorageConnection,
    readonly request: ObjectUpload,
    readonly options: ObjectUploadOptions,
  ) {}

  /** Sends everything. @returns the size, or undefined when S3 has forgotten the upload, or never learnt that it has completed it. */
  async run(open: () => AsyncIterable<Buffer>): Promise<number | undefined> {
    const { connection, request, options } = this;
    const { id, arrived } = await this.#begin();
    try {
      const size = await this.#sendParts(open(), id, arrived);
      await completeUpload(connection, request, id, this.#parts, options.signal);
      await forget(options.journal);
      return size;
    } catch (error) {
      if (options.signal?.aborted) {
        await cancelUpload(connection, request, id).catch(() => undefined);
        await forget(options.journal);
        options.signal.throwIfAborted();
      }
      if (!isForgotten(error)) throw error;
      await forget(options.journal);
      return undefined;
    }
  }

  /** Finds an upload to go on with, or begins one. */
  async #begin(): Promise<{ id: string; arrived: ReadonlyMap<number, ArrivedPart> }> {
    const { connection, request, options } = this;
    const former = await readJournal(options.journal);
    if (former !== undefined && fingerprintOf(former.request) === fingerprintOf(request)) {
      const arrived = await arrivedParts(connection, request, former.id, options.signal);
      if (arrived !== undefined) return { id: former.id, arrived };
    } else await giveUp(connection, options.journal);
    const id = await beginUpload(connection, request, { "unikernel-image": request.digest }, options.signal);
    await mkdir(path.dirname(options.journal), { recursive: true, mode: 0o700 });
    await writeFile(options.journal, JSON.stringify({ request: fingerprintOf(request), upload: id }), { mode: 0o600 });
    return { id, arrived: new Map() };
  }

  /** Sends the parts that have not arrived, a few at a time. */
  async #sendParts(
    stream: AsyncIterable<Buffer>,
    id: string,
    arrived: ReadonlyMap<number, ArrivedPart>,
  ): Promise<number> {
    const failure = new AbortController();
    const signal = AbortSignal.any([failure.signal, ...(this.options.signal ? [this.options.signal] : [])]);
    const inFlight = new Set<Promise<void>>();
    let size = 0;
    try {
      for await (const part of partsOf(stream, PART_SIZE)) {
        signal.throwIfAborted();
        size += part.data.length;
        const sending: Promise<void> = this.#sendPart(part, id, arrived, signal)
          .catch((error: unknown) => failure.abort(error))
          .finally(() => inFlight.delete(sending));
        inFlight.add(sending);
        if (inFlight.size >= PARTS_IN_FLIGHT) await Promise.race(inFlight);
      }
    } finally {
      await Promise.all(inFlight);
    }
    signal.throwIfAborted();
    return size;
  }

  async #sendPart(
    { start, data }: Part,
    id: string,
    arrived: ReadonlyMap<number, ArrivedPart>,
    signal: AbortSignal,
  ): Promise<void> {
    const number = start / PART_SIZE + 1;
    const sha256 = createHash("sha256").update(data).digest("base64");
    const known = arrived.get(number);
    const isThere = known?.sha256 === sha256;
    const part = isThere ? known : await sendPart(this.connection, this.request, { id, number, data, sha256 }, signal);
    this.#parts.set(number, part);
    this.#progress[isThere ? "skipped" : "sent"] += data.length;
    this.options.progress?.({ ...this.#progress });
  }
}

/** An upload that nobody goes on with must end: S3 charges for its parts for as long as it knows it. */
async function giveUp(connection: StorageConnection, journal: string): Promise<void> {
  const former = await readJournal(journal);
  // Where that cannot be done, with a bucket that is gone for example, there is nothing more to do.
  if (former !== undefined) await cancelUpload(connection, former.request, former.id).catch(() => undefined);
  await forget(journal);
}

/** An upload that did not come to its end. */
async function readJournal(journal: string): Promise<{ id: string; request: ObjectUpload } | undefined> {
  try {
    const { request, upload } = JSON.parse(await readFile(journal, "utf8")) as { request: string; upload: string };
    return { id: upload, request: JSON.parse(request) as ObjectUpload };
  } catch {
    // None, or one that was not written to its end.
    return undefined;
  }
}

function fingerprintOf({ bucket, key, digest }: ObjectUpload): string {
  return JSON.stringify({ bucket, key, digest });
}

async function forget(journal: string): Promise<void> {
  await rm(journal, { force: true });
}
