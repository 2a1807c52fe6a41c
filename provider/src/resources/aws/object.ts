import * as path from "node:path";
import { defaultCacheDir } from "../../image/index.js";
import {
  connectStorage,
  deleteObject,
  objectSize,
  uploadObject,
  type ObjectName,
  type ObjectProgress,
  type StorageConnection,
} from "../../targets/aws/index.js";
import { cachedImage } from "../cached-image.js";
import { withEncodedDisk } from "../encoded-disk.js";
import { isReplaced, noteCreated, type Incarnation } from "../incarnation.js";
import { automaticName } from "../instance-name.js";
import type { CheckFailure, Context, ResourceDefinition } from "../resource.js";
import { checkTexts, IMAGE_FORM, NAME_FORM } from "../text.js";
import { reportUpload, sentBefore } from "../upload-report.js";
import { validateInputs } from "../validate.js";
import { compareInputs } from "../values.js";
import type { ObjectInputs, ObjectOutputs } from "./object-properties.js";
import { expectAllowedAccount, REGION_FORM, settingsOf } from "./settings.js";

export const AWS_OBJECT_TOKEN = "unikernel:aws:DiskObject";

export type CheckedObject = ObjectInputs & Required<Pick<ObjectInputs, "name">>;

/** What Pulumi keeps of an object. */
export type ObjectState = CheckedObject & ObjectOutputs & Incarnation;

/** What an operation on an object takes of its context. */
export type ObjectContext = Pick<Context, "signal" | "status" | "config" | "credentials">;

/** The inputs whose change needs another object. */
const FOR_GOOD = ["image", "bucket", "name"] as const;
/** What another way to AWS, or another wish, leaves as it is. */
const ALTERABLE = ["keep", "region", "profile", "assumeRole", "endpoints"] as const;

/**
 * An object of S3 that holds an image's disk as AWS imports it. An object never changes, so another image is another object. One that is not
 * to be kept may be missing: it is there when a snapshot is made of it, and no longer.
 */
export const awsObjectResource: ResourceDefinition<CheckedObject, ObjectState> = {
  token: AWS_OBJECT_TOKEN,

  async check(old, news, context) {
    const failures = validateInputs(AWS_OBJECT_TOKEN, news);
    if (failures.length === 0) failures.push(...checkObject(news));
    const name = news["name"] ?? old.name ?? (context.identity && automaticName(context.identity, context.baseDir));
    return { inputs: { ...news, name }, failures };
  },

  async diff(_id, old, news) {
    return compareInputs(old, news, FOR_GOOD, ALTERABLE);
  },

  async create(inputs, context) {
    const size = await ensureObject(inputs, context);
    const { bucket, key } = nameOf(inputs);
    const id = `s3://${bucket}/${key}`;
    return { id, state: { ...inputs, key, size, ...noteCreated(id) } };
  },

  async read(_id, state, context) {
    if (state.keep === false) return state;
    const size = await withStorage(state, context, (connection) =>
      objectSize(connection, nameOf(state), context.signal),
    );
    return size === undefined ? undefined : { ...state, size };
  },

  async update(_id, old, news, context) {
    if (news.keep !== false) await ensureObject(news, context);
    else if (old.keep !== false) await removeObject(news, context);
    const { key, size, incarnation } = old;
    return { ...news, key, size, incarnation };
  },

  async delete(id, state, context) {
    if (isReplaced(id, state)) return;
    context.status(`deleting ${id}`);
    await removeObject(state, context);
  },
};

/** Sees that the object is in its bucket. @returns its size in bytes. */
export async function ensureObject(inputs: CheckedObject, context: ObjectContext): Promise<number> {
  await expectAllowedAccount(inputs, context);
  const image = await cachedImage(inputs.image);
  return withStorage(inputs, context, (connection) =>
    withEncodedDisk(image, "vmdk", (open) =>
      uploadObject(
        open,
        connection,
        { ...nameOf(inputs), digest: inputs.image },
        {
          // Objects of other buckets may have the same name, such as one for each region.
          journal: path.join(defaultCacheDir(), "uploads", inputs.bucket, `${inputs.name}.s3.json`),
          signal: context.signal,
          progress: reportUpload(context, ({ sent, skipped }: ObjectProgress) => ({
            sent,
            line: (sent) => `uploading to S3: ${sent}${sentBefore(skipped)}`,
          })),
        },
      ),
    ),
  );
}

/** Sees that the object is not in its bucket. */
export async function removeObject(inputs: CheckedObject, context: ObjectContext): Promise<void> {
  await withStorage(inputs, context, (connection) => deleteObject(connection, nameOf(inputs), context.signal));
}

async function withStorage<T>(
  inputs: CheckedObject,
  context: ObjectContext,
  work: (connection: StorageConnection) => Promise<T>,
): Promise<T> {
  const connection = await connectStorage(settingsOf(inputs, context));
  try {
    return await work(connection);
  } finally {
    connection.close();
  }
}

function nameOf({ bucket, name, image }: CheckedObject): ObjectName {
  return { bucket, key: `${name}/${image.slice("sha256:".length)}.vmdk` };
}

/** What is wrong with inputs whose types are right. Unknown values pass. */
function checkObject(inputs: Record<string, unknown>): CheckFailure[] {
  return checkTexts(inputs, {
    image: IMAGE_FORM,
    name: NAME_FORM,
    region: REGION_FORM,
    bucket: [
      /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/,
      'the name of a bucket: small letters, digits, "-" and ".", from 3 to 63, without s3:// in front',
    ],
  });
}
