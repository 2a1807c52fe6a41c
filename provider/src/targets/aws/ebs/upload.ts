/**
 * Writes a disk into an EBS snapshot by the EBS direct APIs: no instance, no bucket, no volume in between. Only blocks that hold data travel, and of those
 * only the ones that the parent snapshot, the one of the disk's former version, does not have.
 *
 * @see https://docs.aws.amazon.com/ebs/latest/userguide/ebs-accessing-snapshot.html
 */
import { setMaxListeners } from "node:events";
import { rm } from "node:fs/promises";
import type { StartSnapshotCommandInput } from "@aws-sdk/client-ebs";
import { VisibleError } from "../../../image/index.js";
import { REQUESTS_IN_FLIGHT, type Connection } from "../connection.js";
import { explain } from "../errors.js";
import { abort } from "../request.js";
import { messageOf, nameOf, retry } from "../../retry.js";
import { isTransient } from "../transient.js";
import { BlockSender } from "./block-sender.js";
import {
  BLOCK_SIZE,
  BLOCKS_PER_GIB,
  BlockDigests,
  dataBlocks,
  GIB,
  isZero,
  readBlock,
  sha256,
  type BlockSource,
} from "./blocks.js";
import { UploadJournal, type Unfinished } from "./journal.js";
import { deleteSnapshot, describeSnapshot } from "./snapshots.js";

/** AWS cancels a snapshot that nothing has been written to for so long. */
const ABANDONED_MINUTES = 60;

/** The snapshot that an upload starts from. */
export interface ParentSnapshot {
  id: string;
  blocks: BlockDigests;
}

export interface UploadRequest {
  /** What tells the content of the disk from all others. */
  digest: string;
  /** GiB. */
  volumeSize: number;
  description?: string | undefined;
  tags?: { [name: string]: string } | undefined;
  /** Without a parent: whether to encrypt, and with which key. A child is encrypted as its parent is. */
  encrypted?: boolean | undefined;
  kmsKeyArn?: string | undefined;
  parent?: ParentSnapshot | undefined;
}

/** How far an upload has come. */
export interface UploadProgress {
  /** Blocks of data that have been dealt with, and those there are at most. */
  done: number;
  total: number;
  /** Bytes that were sent and confirmed. */
  sentBytes: number;
  /** Blocks that did not have to be sent: zeros, the parent's, and those that an interrupted upload had sent. */
  skipped: number;
}

export interface UploadOptions {
  /** The file in which an interrupted upload is found again. */
  journal: string;
  signal?: AbortSignal | undefined;
  progress?: ((progress: UploadProgress) => void) | undefined;
  /** Told of what a person may want to know, such as that the parent is gone. */
  notice?: ((message: string) => void) | undefined;
}

export interface UploadedSnapshot {
  id: string;
  /** Digests of all the disk's blocks, for the next upload. */
  blocks: BlockDigests;
  sentBlocks: number;
  /** Blocks that the snapshot has beyond its parent's. */
  changedBlocks: number;
}

/**
 * Uploads a disk. When this returns, AWS has all blocks and completes the snapshot by itself.
 *
 * Whoever ends it by the signal leaves no snapshot behind. When it fails for good, or its process is killed, the next call with the
 * same journal goes on where it ended, or finds the snapshot that was completed. {@link forgetUpload} ends that.
 *
 * @throws {VisibleError} when AWS refuses or cannot be reached; the message says why.
 */
export async function uploadSnapshot(
  source: BlockSource,
  connection: Connection,
  request: UploadRequest,
  options: UploadOptions,
): Promise<UploadedSnapshot> {
  if (source.size > request.volumeSize * GIB) {
    throw new VisibleError(
      `The volume of ${request.volumeSize} GiB is too small for the disk, which has ${Math.ceil(source.size / GIB)} GiB.`,
    );
  }
  const { journal, previous } = await openJournal(connection, request, options);
  let snapshotId = previous?.snapshotId;
  try {
    snapshotId ??= await startSnapshot(connection, request, journal, options);
    const upload = new Upload(source, connection, request, snapshotId, journal, options);
    const result = await upload.run(previous);
    journal.completed();
    return result;
  } catch (error) {
    if (options.signal?.aborted) await giveUp(connection, snapshotId, journal);
    options.signal?.throwIfAborted();
    if (!(error instanceof UnusableParentError)) throw error;
    options.notice?.(error.message);
    return await uploadSnapshot(source, connection, { ...request, parent: undefined }, options);
  } finally {
    journal.close();
  }
}

/** Removes the journal of an upload, once the snapshot that it made is on record elsewhere or is no more. */
export async function forgetUpload(journal: string, snapshotId: string): Promise<void> {
  const found = await UploadJournal.read(journal);
  if (found?.completed && found.snapshotId === snapshotId) await rm(journal, { force: true });
}

/** A snapshot cannot be started from this parent: it has been deleted, or the account wants its snapshots encrypted by now. */
class UnusableParentError extends VisibleError {}

/** Finds out whether there is an upload to go on with, and clears away one that there is no going on with. */
async function openJournal(
  connection: Connection,
  request: UploadRequest,
  options: UploadOptions,
): Promise<{ journal: UploadJournal; previous?: Unfinished }> {
  const fingerprint = fingerprintOf(request);
  const previous = await UploadJournal.read(options.journal);
  let hasFailed = false;
  if (previous !== undefined && previous.request === fingerprint) {
    const found =
      previous.snapshotId === undefined ? undefined : await describeSnapshot(connection, previous.snapshotId, options);
    hasFailed = found?.status === "error";
    const isUsable = found?.status === "pending" || (found?.status === "completed" && previous.completed);
    if (previous.snapshotId === undefined || isUsable) {
      return { journal: UploadJournal.resume(options.journal, previous.token), previous };
    }
  }
  // One that was completed is its stack's own, unless the stack never learnt of it, which cannot be told apart. One that failed is nobody's.
  if (previous?.snapshotId !== undefined && (hasFailed || !previous.completed))
    await deleteSnapshot(connection, previous.snapshotId, options);
  return { journal: await UploadJournal.create(options.journal, fingerprint) };
}

/** Covers all that makes one request to AWS another. */
function fingerprintOf({ parent, ...request }: UploadRequest): string {
  return sha256(Buffer.from(JSON.stringify([request, parent?.id]))).toString("hex");
}

const UNUSABLE_PARENT = new Set(["ResourceNotFoundException", "ValidationException"]);

async function startSnapshot(
  connection: Connection,
  request: UploadRequest,
  journal: UploadJournal,
  { signal }: UploadOptions,
): Promise<string> {
  const input: StartSnapshotCommandInput = {
    VolumeSize: request.volumeSize,
    ClientToken: journal.token,
    Timeout: ABANDONED_MINUTES,
    ...(request.description !== undefined && { Description: request.description }),
    ...(request.tags && { Tags: Object.entries(request.tags).map(([Key, Value]) => ({ Key, Value })) }),
    ...(request.parent
      ? { ParentSnapshotId: request.parent.id }
      : {
          ...(request.encrypted !== undefined && { Encrypted: request.encrypted }),
          ...(request.kmsKeyArn !== undefined && { KmsKeyArn: request.kmsKeyArn }),
        }),
  };
  try {
    const { SnapshotId: id, BlockSize: blockSize } = await retry(
      // Once it is on its way it is not called back: else nobody would know the snapshot that it may have started.
      () => connection.ebs.startSnapshot(input),
      { signal, when: isTransient },
    );
    if (id === undefined) throw new Error("AWS started a snapshot without telling its id.");
    journal.started(id);
    if (blockSize !== undefined && blockSize !== BLOCK_SIZE) {
      throw new Error(`AWS wants blocks of ${blockSize} bytes, and this knows blocks of ${BLOCK_SIZE} bytes only.`);
    }
    return id;
  } catch (error) {
    if (request.parent !== undefined && UNUSABLE_PARENT.has(nameOf(error))) {
      throw new UnusableParentError(
        `the whole disk is sent, because the former snapshot ${request.parent.id} cannot be built upon: ${messageOf(error)}`,
      );
    }
    throw explain(error, { action: "ebs:StartSnapshot", region: connection.region });
  }
}

/** A pending snapshot that nobody will complete must go; that its upload was called off is what is to be reported, whatever comes of it. */
async function giveUp(connection: Connection, id: string | undefined, journal: UploadJournal): Promise<void> {
  if (id === undefined) return;
  try {
    await deleteSnapshot(connection, id, { attempts: 3, inUseTimeoutMs: 0 });
    await journal.remove();
  } catch {
    // The journal knows it: the next upload deletes it or goes on with it. If there is none, AWS cancels it.
  }
}

/** The blocks of one upload. */
class Upload {
  readonly #digests = new BlockDigests();
  /** SHA-256 of what the snapshot has beyond its parent. */
  readonly #written = new Map<number, Buffer>();
  readonly #progress: UploadProgress = { done: 0, total: 0, sentBytes: 0, skipped: 0 };
  #sentBlocks = 0;

  constructor(
    readonly source: BlockSource,
    readonly connection: Connection,
    readonly request: UploadRequest,
    readonly snapshotId: string,
    readonly journal: UploadJournal,
    readonly options: UploadOptions,
  ) {}

  /** @param previous - What an interrupted upload has done of this one. */
  async run(previous: Unfinished | undefined): Promise<UploadedSnapshot> {
    const { request, options } = this;
    const before: ReadonlyMap<number, string> = previous?.written ?? new Map<number, string>();
    const blocks = this.#candidates(before);
    this.#progress.total = blocks.length;

    // One failure ends the others, too.
    const failure = new AbortController();
    const signal = options.signal ? AbortSignal.any([options.signal, failure.signal]) : failure.signal;
    // Each request listens to it, and each pause.
    setMaxListeners(2 * REQUESTS_IN_FLIGHT, signal);
    const sender = new BlockSender(this.connection, this.snapshotId);
    const send = async (index: number, data: Buffer, digest: Buffer): Promise<void> => {
      await retry(
        () => sender.send(index, data, digest, signal),
        // A snapshot that was started a moment ago may not be known everywhere yet.
        { signal, when: (error) => isTransient(error) || nameOf(error) === "ResourceNotFoundException" },
      );
      this.journal.written(index, digest.toString("base64"));
      this.#sentBlocks++;
      this.#progress.sentBytes += BLOCK_SIZE;
    };

    let next = 0;
    const worker = async (): Promise<void> => {
      // One for all its blocks: half a MiB from the system each time costs as much as a hash.
      const data = Buffer.allocUnsafe(BLOCK_SIZE);
      while (next < blocks.length && !signal.aborted) {
        const index = blocks[next++] as number;
        await readBlock(this.source, index, data);
        const digest = sha256(data);
        const zero = isZero(data);
        if (!zero) this.#digests.set(index, digest);
        const sentBefore = before.get(index);
        // The parent's block does when it is the same, unless an interrupted upload wrote another over it.
        const isParents = request.parent?.blocks.matches(index, digest) ?? false;
        const isNothing = zero && request.parent?.blocks.has(index) !== true;
        if (sentBefore !== undefined || (!isParents && !isNothing)) {
          if (sentBefore === digest.toString("base64")) this.#progress.skipped++;
          else await send(index, data, digest);
          this.#written.set(index, digest);
        } else {
          this.#progress.skipped++;
        }
        this.#progress.done++;
        options.progress?.(this.#progress);
      }
    };
    const workers = Array.from({ length: REQUESTS_IN_FLIGHT }, worker);
    try {
      await Promise.all(workers);
    } catch (error) {
      failure.abort(error);
      // They use the disk and the journal, which are closed once this ends.
      await Promise.allSettled(workers);
      throw explain(error, { action: "ebs:PutSnapshotBlock", region: this.connection.region });
    }
    signal.throwIfAborted();
    if (!previous?.completed) await this.#complete();
    return {
      id: this.snapshotId,
      blocks: this.#digests,
      sentBlocks: this.#sentBlocks,
      changedBlocks: this.#written.size,
    };
  }

  /** The blocks to look at: those that may hold data now, and those that something was written to before. */
  #candidates(before: ReadonlyMap<number, string>): number[] {
    const blocks = new Set(dataBlocks(this.source.extents));
    for (const index of this.request.parent?.blocks.indices() ?? []) blocks.add(index);
    for (const index of before.keys()) blocks.add(index);
    const last = this.request.volumeSize * BLOCKS_PER_GIB;
    return [...blocks].filter((index) => index < last).sort((a, b) => a - b);
  }

  async #complete(): Promise<void> {
    const ascending = [...this.#written].sort(([a], [b]) => a - b).map(([, digest]) => digest);
    const { signal } = this.options;
    try {
      await retry(
        async (attempt) => {
          const command = {
            SnapshotId: this.snapshotId,
            ChangedBlocksCount: ascending.length,
            Checksum: sha256(Buffer.concat(ascending)).toString("base64"),
            ChecksumAlgorithm: "SHA256" as const,
            ChecksumAggregationMethod: "LINEAR" as const,
          };
          await this.connection.ebs.completeSnapshot(command, abort(signal)).catch(async (error: unknown) => {
            // The answer to an earlier attempt may have been lost on its way.
            if (attempt === 1 || !(await this.#isCompleted(error))) throw error;
          });
        },
        { signal, when: isTransient },
      );
    } catch (error) {
      throw explain(error, { action: "ebs:CompleteSnapshot", region: this.connection.region });
    }
  }

  async #isCompleted(error: unknown): Promise<boolean> {
    if (isTransient(error)) return false;
    const found = await describeSnapshot(this.connection, this.snapshotId, this.options);
    return found?.status === "completed";
  }
}
