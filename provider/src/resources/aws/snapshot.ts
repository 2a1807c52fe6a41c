import * as path from "node:path";
import { defaultCacheDir, openBootDisk, SNAPSHOT_BLOCK } from "../../image/index.js";
import {
  BlockDigests,
  changeTags,
  connect,
  deleteSnapshot,
  describeSnapshot,
  forgetUpload,
  GIB,
  uploadSnapshot,
  waitUntilCompleted,
  type Connection,
  type ParentSnapshot,
  type UploadProgress,
} from "../../targets/aws/index.js";
import { cachedImage } from "../cached-image.js";
import { isReplaced, noteCreated, type Incarnation } from "../incarnation.js";
import { automaticName, scopedDigest } from "../instance-name.js";
import type { CheckFailure, Context, ResourceDefinition } from "../resource.js";
import { checkTexts, IMAGE_FORM, NAME_FORM } from "../text.js";
import { reportUpload } from "../upload-report.js";
import { validateInputs } from "../validate.js";
import { sameData } from "../values.js";
import { expectAllowedAccount, REGION_FORM, settingsOf } from "./settings.js";
import type { SnapshotInputs, SnapshotOutputs } from "./snapshot-properties.js";

export const SNAPSHOT_TOKEN = "unikernel:aws:Snapshot";

export type CheckedSnapshot = SnapshotInputs & Required<Pick<SnapshotInputs, "name">>;

/** What Pulumi keeps of a snapshot. */
export type SnapshotState = CheckedSnapshot & SnapshotOutputs & Incarnation;

/** AWS has 50 for a snapshot, and two are ours. */
const MOST_TAGS = 48;
/** Tags by which whoever looks at the account knows what made a snapshot. */
const DIGEST_TAG = "unikernel:image";
const NAME_TAG = "unikernel:name";

/**
 * An EBS snapshot that holds an image's disk. A snapshot never changes, so another image is another snapshot; it is built upon the
 * former one, so that only the blocks that differ are sent.
 */
export const snapshotResource: ResourceDefinition<CheckedSnapshot, SnapshotState> = {
  token: SNAPSHOT_TOKEN,

  async check(old, news, context) {
    const failures = validateInputs(SNAPSHOT_TOKEN, news);
    if (failures.length === 0) failures.push(...checkSnapshot(news));
    const name = news["name"] ?? old.name ?? (context.identity && automaticName(context.identity, context.baseDir));
    return { inputs: { ...news, name }, failures };
  },

  async diff(id, old, news, context) {
    await forgetUpload(journalOf(news, context), id);
    const replaces = changedForGood(old, news);
    // Creating the replacement is told of the new inputs only, whose name may be another: it is worked out anew.
    if (replaces.length > 0) formers.set(context.urn, old);
    const changes = replaces.length > 0 || ALTERABLE.some((key) => !sameData(old[key], news[key]));
    return { changes, replaces, deleteBeforeReplace: false };
  },

  async create(inputs, context) {
    const image = await cachedImage(inputs.image);
    const former = formers.get(context.urn);
    formers.delete(context.urn);
    await expectAllowedAccount(inputs, context);
    return withConnection(inputs, context, async (connection) => {
      // As long as its data, not as the volume: the second copy of its partition table would take a block at the volume's end.
      const disk = await openBootDisk(image, { roundTo: SNAPSHOT_BLOCK });
      try {
        const parent = former && parentOf(former, inputs, connection.region);
        const volumeSize = Math.max(
          inputs.volumeSize ?? Math.ceil(disk.size / GIB),
          parent ? (former?.volumeSize ?? 0) : 0,
        );
        const { id, blocks } = await uploadSnapshot(
          disk,
          connection,
          {
            digest: disk.digest,
            volumeSize,
            description: inputs.description ?? `unikernel ${inputs.image}`,
            tags: tagsOf(inputs),
            encrypted: inputs.encrypted ?? (inputs.kmsKeyArn === undefined ? undefined : true),
            kmsKeyArn: inputs.kmsKeyArn,
            parent,
          },
          {
            journal: journalOf(inputs, context),
            signal: context.signal,
            progress: reportUpload(context, ({ done, total, sentBytes, skipped }: UploadProgress) => ({
              sent: sentBytes,
              isLast: done >= total,
              line: (sent) => `uploading to AWS: ${done} of ${total} blocks, ${skipped} need not be sent, ${sent}`,
            })),
            notice: (message) => context.notice(message, "info"),
          },
        );
        const { ownerId } = await waitUntilCompleted(connection, id, {
          signal: context.signal,
          status: context.status,
        });
        const outputs: SnapshotOutputs = {
          snapshotId: id,
          region: connection.region,
          ...(ownerId !== undefined && { ownerId }),
          volumeSize,
          blocks: blocks.toString(),
        };
        return { id, state: { ...inputs, ...outputs, ...noteCreated(id) } };
      } finally {
        await disk.close();
      }
    });
  },

  async read(id, state, context) {
    return withConnection(state, context, async (connection) => {
      const found = await describeSnapshot(connection, id, { signal: context.signal, ownerId: state.ownerId });
      if (found === undefined || found.status === "error") return undefined;
      if (state.tags === undefined) return state;
      // Tags that others have set are theirs.
      const ours = Object.keys(state.tags).filter((name) => name in found.tags);
      return { ...state, tags: Object.fromEntries(ours.map((name) => [name, found.tags[name] as string])) };
    });
  },

  async update(id, old, news, context) {
    return withConnection(news, context, async (connection) => {
      await changeTags(connection, id, old.tags ?? {}, news.tags ?? {}, context.signal);
      const { snapshotId, region, ownerId, volumeSize, blocks, incarnation } = old;
      const kept = { snapshotId, region, ...(ownerId !== undefined && { ownerId }), volumeSize, blocks, incarnation };
      return { ...news, ...kept };
    });
  },

  async delete(id, state, context) {
    if (isReplaced(id, state)) return;
    await withConnection(state, context, async (connection) => {
      context.status(`deleting ${id}`);
      await deleteSnapshot(connection, id, { signal: context.signal, ownerId: state.ownerId });
    });
    await forgetUpload(journalOf(state, context), id);
  },
};

/** The states of those snapshots that are about to be replaced, by URN. */
const formers = new Map<Context["urn"], SnapshotState>();

/** What another way to AWS, or to name it, leaves as it is. */
const ALTERABLE = ["tags", "profile", "assumeRole", "endpoints"] as const;

/** The inputs whose change needs a new snapshot. */
function changedForGood(old: SnapshotState, news: CheckedSnapshot): string[] {
  const replaces: string[] = (["name", "image", "encrypted", "kmsKeyArn", "description"] as const).filter(
    (key) => !sameData(old[key], news[key]),
  );
  for (const key of ["region", "volumeSize"] as const) {
    // Left open, what there is does.
    if (news[key] !== undefined && !sameData(old[key], news[key])) replaces.push(key);
  }
  return replaces;
}

/** A snapshot to build upon: in the same region, no larger, and encrypted as the new one is to be. */
function parentOf(former: SnapshotState, inputs: CheckedSnapshot, region: string): ParentSnapshot | undefined {
  const fits =
    former.region === region &&
    sameData(former.encrypted, inputs.encrypted) &&
    sameData(former.kmsKeyArn, inputs.kmsKeyArn) &&
    (inputs.volumeSize === undefined || inputs.volumeSize >= former.volumeSize);
  return fits ? { id: former.snapshotId, blocks: BlockDigests.parse(former.blocks) } : undefined;
}

function tagsOf({ tags, image, name }: CheckedSnapshot): { [name: string]: string } {
  return { Name: name, ...tags, [DIGEST_TAG]: image, [NAME_TAG]: name };
}

async function withConnection<T>(
  inputs: CheckedSnapshot,
  context: Context,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  const connection = await connect(settingsOf(inputs, context));
  try {
    return await work(connection);
  } finally {
    connection.close();
  }
}

/** What tells a snapshot from others on this machine. A program may give several the same name, such as one in each region. */
function keyOf({ name }: CheckedSnapshot, { urn, baseDir }: Context): string {
  return urn === undefined ? name : `${name}-${scopedDigest(baseDir, urn)}`;
}

/** The file in which an upload that was interrupted is found again. */
function journalOf(inputs: CheckedSnapshot, context: Context): string {
  return path.join(defaultCacheDir(), "uploads", `${keyOf(inputs, context)}.jsonl`);
}

/** What is wrong with inputs whose types are right. Unknown values pass. */
function checkSnapshot(inputs: Record<string, unknown>): CheckFailure[] {
  const failures = checkTexts(inputs, {
    image: IMAGE_FORM,
    name: NAME_FORM,
    region: REGION_FORM,
    kmsKeyArn: [/^arn:[^:]+:kms:[^:]+:\d+:/, "the ARN of a KMS key (arn:aws:kms:…)"],
  });
  const { volumeSize, tags, encrypted, kmsKeyArn } = inputs;
  if (typeof volumeSize === "number" && (volumeSize < 1 || volumeSize > 65_536)) {
    failures.push({
      property: "volumeSize",
      reason: `"volumeSize" must be from 1 to 65536 GiB, but is ${volumeSize}.`,
    });
  }
  if (encrypted === false && kmsKeyArn !== undefined) {
    failures.push({ property: "encrypted", reason: '"kmsKeyArn" is given, so "encrypted" cannot be false.' });
  }
  if (typeof tags === "object" && tags !== null) failures.push(...checkTags(tags));
  return failures;
}

function checkTags(tags: object): CheckFailure[] {
  const failures: CheckFailure[] = [];
  const names = Object.keys(tags);
  if (names.length > MOST_TAGS) {
    failures.push({ property: "tags", reason: `"tags" has ${names.length} tags, and there is room for ${MOST_TAGS}.` });
  }
  for (const [name, value] of Object.entries(tags)) {
    const reason = /^(aws|unikernel):/.test(name)
      ? "that prefix belongs to others"
      : name.length > 127
        ? "its name is longer than 127 characters"
        : typeof value === "string" && value.length > 255
          ? "its value is longer than 255 characters"
          : undefined;
    if (reason !== undefined) {
      failures.push({ property: `tags.${name}`, reason: `The tag "${name}" is not possible: ${reason}.` });
    }
  }
  return failures;
}
