/** Brings bytes into an object of Cloud Storage, whole or not at all. */
import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import * as path from "node:path";
import { VisibleError } from "../../image/index.js";
import { partsOf, type Part } from "../parts.js";
import { retry } from "../retry.js";
import type { Connection } from "./connection.js";
import { explain, isTransient, StorageError } from "./errors.js";
import {
  askArrived,
  beginUpload,
  cancelUpload,
  deleteObject,
  describeObject,
  isForgotten,
  sendPart,
  type Arrived,
  type ObjectName,
  type StoredObject,
} from "./storage.js";

/** Bytes sent with one request; the service takes multiples of 256 KiB. */
export const PART_SIZE = 8 * 2 ** 20;
/** How often an upload is begun when the service has forgotten it or has other bytes than were sent. */
const MOST_BEGINNINGS = 3;

export interface UploadRequest extends ObjectName {
  /** What tells the content from all others. An object of this name with this digest in its metadata is taken for the one wanted. */
  digest: string;
  contentType: string;
  /** More of what the object is to say of itself. */
  metadata?: { [name: string]: string };
}

/** How far an upload has come, in bytes. How many there are in all is known at the end only. */
export interface UploadProgress {
  sent: number;
  /** Bytes that an interrupted upload had sent. */
  skipped: number;
}

export interface UploadOptions {
  /** The file in which an interrupted upload is found again. */
  journal: string;
  signal?: AbortSignal | undefined;
  progress?: ((progress: UploadProgress) => void) | undefined;
}

/** The name under which the digest is in an object's metadata. */
export const DIGEST_KEY = "unikernel-image";

/**
 * Uploads what `open` gives, which must be the same bytes each time. An object that is there already is not sent again.
 *
 * Whoever ends it by the signal leaves nothing behind. When it fails for good, or its process is killed, the next call with the same journal goes on
 * where it ended.
 *
 * @throws {VisibleError} when Google Cloud refuses or cannot be reached; the message says why.
 */
export async function uploadObject(
  open: () => AsyncIterable<Buffer>,
  connection: Connection,
  request: UploadRequest,
  options: UploadOptions,
): Promise<StoredObject> {
  for (let beginnings = 1; ; beginnings++) {
    const found = await describeObject(connection, request, options.signal);
    if (found !== undefined) {
      await forget(options.journal);
      return own(found, request);
    }
    try {
      const object = await sendAll(open, connection, request, options);
      if (object !== undefined) return object;
    } catch (error) {
      options.signal?.throwIfAborted();
      // Another upload of the same was quicker.
      const isThere = error instanceof StorageError && error.status === 412;
      if (!isThere) throw explain(error, { permission: "storage.objects.create", bucket: request.bucket });
    }
    if (beginnings === MOST_BEGINNINGS) {
      throw new VisibleError(
        `Cloud Storage has lost or changed what was uploaded to the bucket "${request.bucket}" ${MOST_BEGINNINGS} times. Run the update again later.`,
      );
    }
  }
}

/** Sends everything. Undefined when the service has forgotten the upload, or has other bytes than were sent. */
async function sendAll(
  open: () => AsyncIterable<Buffer>,
  connection: Connection,
  request: UploadRequest,
  { journal, signal, progress }: UploadOptions,
): Promise<StoredObject | undefined> {
  const former = await readJournal(journal, request);
  const session = former ?? (await begin(connection, request, journal, signal));
  try {
    const arrived: Arrived =
      former === undefined
        ? { next: 0 }
        : await retry(() => askArrived(connection, session, signal), { signal, when: isTransient });
    const from = "object" in arrived ? Infinity : arrived.next;
    const skipped = "object" in arrived ? arrived.object.size : from;
    const digest = createHash("md5");
    let object = "object" in arrived ? arrived.object : undefined;
    let sent = 0;
    for await (const part of partsOf(open(), PART_SIZE)) {
      digest.update(part.data);
      const end = part.start + part.data.length;
      if (object !== undefined || (end <= from && part.total === undefined)) continue;
      if (end < from) throw new StorageError(410, "", "more has arrived than there is");
      object = await sendWhole(connection, session, part, Math.max(from, part.start), signal);
      sent = end - skipped;
      progress?.({ sent, skipped });
    }
    await forget(journal);
    if (object === undefined) throw new Error("Cloud Storage does not say that the upload is whole.");
    if (object.md5 === digest.digest("base64")) return object;
    await deleteObject(connection, request, signal);
    return undefined;
  } catch (error) {
    if (signal?.aborted) {
      await cancelUpload(connection, session).catch(() => undefined);
      await forget(journal);
    }
    if (!isForgotten(error)) throw error;
    await forget(journal);
    return undefined;
  }
}

/** Sends a part from a byte of it on until the service has all of it, whatever it loses on the way. */
async function sendWhole(
  connection: Connection,
  session: string,
  { start, data, total }: Part,
  from: number,
  signal: AbortSignal | undefined,
): Promise<StoredObject | undefined> {
  const end = start + data.length;
  let next = from;
  // Each answer that brings the upload on gives the next a full number of tries.
  for (;;) {
    const before: number = next;
    const arrived = await retry(
      async (attempt) => {
        if (attempt > 1) {
          const known = await askArrived(connection, session, signal);
          if ("object" in known || known.next > next) return known;
        }
        return sendPart(connection, session, { start: next, data: data.subarray(next - start), total }, signal);
      },
      { signal, when: isTransient },
    );
    if ("object" in arrived) return arrived.object;
    if (arrived.next < start) throw new StorageError(410, "", "what had arrived is gone");
    next = arrived.next;
    if (next >= end && total === undefined) return undefined;
    if (next === before) throw new Error(`Cloud Storage takes no more than ${next} bytes of the upload.`);
  }
}

function own(found: StoredObject, { bucket, name, digest }: UploadRequest): StoredObject {
  if (found.metadata[DIGEST_KEY] === digest) return found;
  throw new VisibleError(
    `The bucket "${bucket}" has an object "${name}" that somebody else put there. Remove it, or give the upload another "name".`,
  );
}

async function begin(
  connection: Connection,
  request: UploadRequest,
  journal: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  const { contentType, metadata, digest } = request;
  const description = { contentType, metadata: { ...metadata, [DIGEST_KEY]: digest } };
  const session = await beginUpload(connection, request, description, signal);
  await mkdir(path.dirname(journal), { recursive: true, mode: 0o700 });
  // Who has the address can write to the object.
  await writeFile(journal, JSON.stringify({ request: fingerprintOf(request), session }), { mode: 0o600 });
  return session;
}

/** The address of an upload of the same that did not come to its end. */
async function readJournal(journal: string, request: UploadRequest): Promise<string | undefined> {
  try {
    const found = JSON.parse(await readFile(journal, "utf8")) as { request?: unknown; session?: unknown };
    return found.request === fingerprintOf(request) && typeof found.session === "string" ? found.session : undefined;
  } catch {
    // None, or one that was not written to its end.
    return undefined;
  }
}

function fingerprintOf({ bucket, name, digest }: UploadRequest): string {
  return JSON.stringify({ bucket, name, digest });
}

async function forget(journal: string): Promise<void> {
  await rm(journal, { force: true });
}
