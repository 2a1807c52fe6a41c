import * as path from "node:path";
import { defaultCacheDir } from "../../image/index.js";
import {
  connect,
  deleteObject,
  describeObject,
  uploadObject,
  type Connection,
  type ConnectionSettings,
  type StoredObject,
  type UploadProgress,
} from "../../targets/gcp/index.js";
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

export const OBJECT_TOKEN = "unikernel:gcp:DiskObject";

export type CheckedObject = ObjectInputs & Required<Pick<ObjectInputs, "name">>;

/** What Pulumi keeps of an object. */
export type ObjectState = CheckedObject & ObjectOutputs & Incarnation;

/** How to prove who asks, when it is not left to where Google's own tools look. */
export type ObjectCredentials = Pick<ConnectionSettings, "credentials" | "accessToken">;

/** What an operation on an object takes of its context. */
export type ObjectContext = Pick<Context, "signal" | "status" | "config" | "credentials">;

/** The inputs whose change needs another object. */
const FOR_GOOD = ["image", "bucket", "name"] as const;
/** What another way to Google Cloud, or another wish, leaves as it is. */
const ALTERABLE = ["keep", "impersonateServiceAccount", "billingProject", "endpoint"] as const;

/**
 * An object of Cloud Storage that holds an image's disk as Compute Engine imports it. An object never changes, so another image is another
 * object. One that is not to be kept may be missing: it is there when an image is made of it, and no longer.
 */
export const objectResource: ResourceDefinition<CheckedObject, ObjectState> = {
  token: OBJECT_TOKEN,

  async check(old, news, context) {
    const failures = validateInputs(OBJECT_TOKEN, news);
    if (failures.length === 0) failures.push(...checkObject(news));
    const name = news["name"] ?? old.name ?? (context.identity && automaticName(context.identity, context.baseDir));
    return { inputs: { ...news, name }, failures };
  },

  async diff(_id, old, news) {
    return compareInputs(old, news, FOR_GOOD, ALTERABLE);
  },

  async create(inputs, context) {
    const { bucket, name, size } = await ensureObject(inputs, context);
    const url = `https://storage.googleapis.com/${bucket}/${name}`;
    const id = `gs://${bucket}/${name}`;
    return { id, state: { ...inputs, object: name, url, size, ...noteCreated(id) } };
  },

  async read(_id, state, context) {
    if (state.keep === false) return state;
    const found = await describeObject(await open(state, context), nameOf(state), context.signal);
    return found === undefined ? undefined : { ...state, size: found.size };
  },

  async update(_id, old, news, context) {
    if (news.keep !== false) await ensureObject(news, context);
    else if (old.keep !== false) await removeObject(news, context);
    const { object, url, size, incarnation } = old;
    return { ...news, object, url, size, incarnation };
  },

  async delete(id, state, context) {
    if (isReplaced(id, state)) return;
    context.status(`deleting ${id}`);
    await removeObject(state, context);
  },
};

/** Sees that the object is in its bucket. */
export async function ensureObject(inputs: CheckedObject, context: ObjectContext): Promise<StoredObject> {
  const image = await cachedImage(inputs.image);
  const connection = await open(inputs, context);
  return withEncodedDisk(image, "gce-tar", (open) =>
    uploadObject(
      open,
      connection,
      {
        ...nameOf(inputs),
        digest: inputs.image,
        contentType: "application/gzip",
        metadata: { "unikernel-name": inputs.name },
      },
      {
        // Objects of other buckets may have the same name, such as one for each region.
        journal: path.join(defaultCacheDir(), "uploads", inputs.bucket, `${inputs.name}.gcp.json`),
        signal: context.signal,
        progress: reportUpload(context, ({ sent, skipped }: UploadProgress) => ({
          sent,
          line: (sent) => `uploading to Google Cloud: ${sent}${sentBefore(skipped)}`,
        })),
      },
    ),
  );
}

/** Sees that the object is not in its bucket. */
export async function removeObject(inputs: CheckedObject, context: ObjectContext): Promise<void> {
  await deleteObject(await open(inputs, context), nameOf(inputs), context.signal);
}

function nameOf({ bucket, name, image }: CheckedObject): { bucket: string; name: string } {
  return { bucket, name: `${name}/${image.slice("sha256:".length)}.tar.gz` };
}

/** What the program says, then what the stack's configuration says; the rest is found where Google's own tools find it. */
function open(inputs: CheckedObject, { config, credentials }: ObjectContext): Promise<Connection> {
  const given = credentials as ObjectCredentials | undefined;
  const isGiven = given?.accessToken !== undefined || given?.credentials !== undefined;
  const { env } = process;
  return connect({
    accessToken: isGiven ? given.accessToken : (config("gcp:accessToken") ?? env["GOOGLE_OAUTH_ACCESS_TOKEN"]),
    credentials: isGiven
      ? given.credentials
      : (config("gcp:credentials") ??
        env["GOOGLE_CREDENTIALS"] ??
        env["GOOGLE_CLOUD_KEYFILE_JSON"] ??
        env["GCLOUD_KEYFILE_JSON"]),
    impersonateServiceAccount:
      inputs.impersonateServiceAccount ??
      config("gcp:impersonateServiceAccount") ??
      env["GOOGLE_IMPERSONATE_SERVICE_ACCOUNT"],
    billingProject: inputs.billingProject ?? config("gcp:billingProject") ?? env["GOOGLE_BILLING_PROJECT"],
    endpoint: inputs.endpoint ?? hostOf(config("gcp:storageCustomEndpoint") ?? env["GOOGLE_STORAGE_CUSTOM_ENDPOINT"]),
  });
}

/** `@pulumi/gcp` wants the path of the API in its endpoint, which here each request brings itself. */
export function hostOf(customEndpoint: string | undefined): string | undefined {
  return customEndpoint?.replace(/\/storage\/v1\/?$/, "");
}

/** What is wrong with inputs whose types are right. Unknown values pass. */
function checkObject(inputs: Record<string, unknown>): CheckFailure[] {
  return checkTexts(inputs, {
    image: IMAGE_FORM,
    name: NAME_FORM,
    bucket: [
      /^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/,
      'the name of a bucket: small letters, digits, "-", "_" and ".", 3 at least, without gs:// in front',
    ],
    endpoint: [/^https?:\/\/[^/]+/, "a URL"],
    impersonateServiceAccount: [/^[^@\s]+@[^@\s]+$/, "the e-mail address of a service account"],
  });
}
