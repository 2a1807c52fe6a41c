import { VisibleError } from "../../image/index.js";
import { certificateOutOfTime } from "../clock.js";
import { codeOf, isBrokenConnection, messageOf } from "../retry.js";

/** What Cloud Storage answered when it did not do what it was asked. */
export class StorageError extends Error {
  override readonly name = "StorageError";

  constructor(
    readonly status: number,
    /** Such as `rateLimitExceeded`. */
    readonly reason: string,
    message: string,
  ) {
    super(message);
  }
}

/** What was asked of Cloud Storage when it failed. */
export interface Request {
  /** The permission that it takes: `storage.objects.create`. */
  permission: string;
  bucket: string;
}

const RATE_LIMITS = new Set(["rateLimitExceeded", "userRateLimitExceeded", "slowDown"]);

/** Quotas that no pause between two attempts renews. */
const QUOTAS = new Set(["quotaExceeded", "dailyLimitExceeded"]);

/** Whether the same request may succeed when it is sent again. */
export function isTransient(error: unknown): boolean {
  if (error instanceof StorageError)
    return error.status === 408 || error.status === 429 || error.status >= 500 || RATE_LIMITS.has(error.reason);
  return isBrokenConnection(error) || isBrokenConnection((error as Error | undefined)?.cause);
}

/** The sentence for a failed request. What nobody at a terminal can do anything about comes back as it is. */
export function explain(error: unknown, request: Request): unknown {
  if (error instanceof VisibleError) return error;
  const reason = error instanceof StorageError ? refusal(error, request) : failure(error, request);
  return reason === undefined ? error : new VisibleError(reason, { cause: error });
}

function refusal({ status, reason, message }: StorageError, { permission, bucket }: Request): string | undefined {
  if (RATE_LIMITS.has(reason) || status === 429)
    return `Cloud Storage still asks for fewer requests to the bucket "${bucket}" after many attempts: ${message} Try again later.`;
  if (QUOTAS.has(reason))
    return `A quota of Google Cloud is used up (bucket "${bucket}"): ${message} Wait until it is renewed, or ask for more under "Quotas & System Limits" in Google Cloud's console.`;
  if (status === 401)
    return `Google Cloud does not accept the access token (bucket "${bucket}"): it has expired, or is not one. Sign in again, for example with \`gcloud auth application-default login\`.`;
  if (status === 404 && /bucket/i.test(message))
    return `There is no bucket "${bucket}". Make one, for example with \`new gcp.storage.Bucket\`, or correct "bucket". A name that was just made can take a moment to be known.`;
  if (/billing/i.test(`${reason} ${message}`) || reason === "accountDisabled")
    return `The project of the bucket "${bucket}" has no billing account that works: ${message}`;
  if (reason === "accessNotConfigured" || /has not been used in project|API .*disabled/.test(message))
    return `The Cloud Storage API is turned off in the project: ${message}`;
  if (reason === "retentionPolicyNotMet" || /retention policy/i.test(message))
    return `The bucket "${bucket}" keeps its objects by a retention policy, so what was uploaded cannot be removed yet: ${message} Use a bucket without one.`;
  if (status === 403) {
    // The message names what was missed, which need not be what was asked for: a key's permission, for example.
    const [, named] = /(?:Permission '|have )([a-z][a-zA-Z]*(?:\.[a-zA-Z]+){2})/.exec(message) ?? [];
    const missing = named ?? permission;
    // Google does not tell whoever may not list objects that there is none of a name.
    const or = /^storage\.objects\.(get|delete)$/.test(missing) ? " or storage.objects.list" : "";
    return `Google Cloud denied the request: the permission ${missing}${or} on the bucket "${bucket}" is missing. \`uploadPermissions\` of pulumi-unikernel/gcp has all that are needed. Google says: ${message}`;
  }
  if (status >= 500) return `Cloud Storage fails again and again (bucket "${bucket}", status ${status}): ${message}`;
  return undefined;
}

/** Where a request did not get an answer. */
function failure(error: unknown, { bucket }: Request): string | undefined {
  const cause = (error as Error | undefined)?.cause;
  const message = messageOf(error);
  const outOfTime = certificateOutOfTime(error, "Google Cloud");
  if (outOfTime !== undefined) return outOfTime;
  if (/default credentials|Unable to detect a Project Id/i.test(message))
    return `There are no Google Cloud credentials. Sign in with \`gcloud auth application-default login\`, set GOOGLE_APPLICATION_CREDENTIALS to a key file, or run \`pulumi config set --secret gcp:credentials\`. Those that only the program gives are not kept for \`pulumi refresh\` and \`pulumi destroy\`. (${message})`;
  if (/reasonable timeframe|\biat\b/.test(message))
    return `Google Cloud does not accept the time of this machine, ${new Date().toISOString()}: ${message} Set its clock right, for example by turning NTP on.`;
  if (/invalid_grant|invalid_rapt|reauth/.test(message))
    return `The Google Cloud credentials have expired or were withdrawn. Sign in again, for example with \`gcloud auth application-default login\`. (${message})`;
  if (codeOf(error) === "ENOENT" && "path" in (error as object))
    return `There is no file with Google Cloud credentials at "${String((error as { path: unknown }).path)}". Correct GOOGLE_APPLICATION_CREDENTIALS or \`gcp:credentials\`.`;
  if (/does not exist, or it is not a file/.test(message))
    return `The file with Google Cloud credentials is not there: ${message} Correct GOOGLE_APPLICATION_CREDENTIALS or \`gcp:credentials\`.`;
  if (/iamcredentials|PERMISSION_DENIED.*getAccessToken|unable to impersonate/i.test(message))
    return `The service account cannot be impersonated: ${message} It takes the permission iam.serviceAccounts.getAccessToken on it (the role Service Account Token Creator).`;
  if (codeOf(error) === "ENOTFOUND" || codeOf(cause) === "ENOTFOUND")
    return `The host of Cloud Storage is not known (bucket "${bucket}"): this machine has no DNS, or the endpoint is wrong. (${messageOf(cause) || message})`;
  if (isTransient(error))
    return `The connection to Google Cloud broke again and again (bucket "${bucket}"): ${messageOf(cause) || message}. Run the update again: what has arrived is not sent again.`;
  return undefined;
}
