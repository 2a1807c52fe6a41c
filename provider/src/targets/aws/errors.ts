import { VisibleError } from "../../image/index.js";
import { certificateOutOfTime } from "../clock.js";
import { codeOf, isBrokenConnection, messageOf, nameOf } from "../retry.js";
import { isClockSkew, isThrottled } from "./transient.js";

/** What was asked of AWS when it failed. */
export interface Request {
  /** The permission that it takes: `ebs:PutSnapshotBlock`. */
  action: string;
  region: string;
  /** The bucket that it was asked of, if it was asked of S3. */
  bucket?: string;
}

/** The sentence for a failed request to AWS. What nobody at a terminal can do anything about comes back as it is. */
export function explain(error: unknown, request: Request): unknown {
  if (error instanceof VisibleError) return error;
  const reason = reasonOf(error, request);
  return reason === undefined ? error : new VisibleError(reason, { cause: error });
}

function reasonOf(error: unknown, request: Request): string | undefined {
  const { action, region, bucket } = request;
  const name = nameOf(error);
  const message = messageOf(error);
  const operation = bucket === undefined ? `${action} in ${region}` : `${action} on the bucket "${bucket}"`;
  if (/^(Credentials|Token)ProviderError$/.test(name)) return noCredentials(message);
  if (EXPIRED.has(name)) {
    return `The AWS credentials have expired (${operation}). Sign in again, for example with \`aws sso login\`, and run the update again.`;
  }
  if (isClockSkew(error)) {
    return `AWS does not accept the time of this machine, ${new Date().toISOString()} (${operation}): ${message} Set its clock right, for example by turning NTP on.`;
  }
  const outOfTime = certificateOutOfTime(error, "AWS");
  if (outOfTime !== undefined) return outOfTime;
  if (WRONG_KEYS.has(name)) {
    return `AWS does not know these credentials, or their secret key is wrong (${operation}): ${message}`;
  }
  if (DENIED.has(name)) return denied(error, message, request);
  if (name === "NoSuchBucket")
    return `There is no bucket "${bucket}". Make one in ${region}, for example with \`new aws.s3.Bucket\`, or correct the name.`;
  if (ELSEWHERE.has(name))
    return `The bucket "${bucket}" is not in ${region}, and AWS imports from a bucket of the same region only. Make one there.`;
  if (name === "OptInRequired" || name === "SubscriptionRequiredException") {
    return `The account has not turned on the region ${region}, or has not signed up for EC2 (${action}): ${message}`;
  }
  if (codeOf(error) === "ENOTFOUND" || name === "ENOTFOUND") {
    return `There is no host "${hostOf(error)}" (${action}). Either "${region}" is no region of AWS, or it does not have the EBS direct APIs (there the S3 way works: \`import\`), or this machine has no DNS.`;
  }
  if (name === "UnknownOperationException" || name === "InvalidAction") {
    return `The region ${region} does not have ${action}: use the S3 way (\`import\`) there, or another region. AWS says: ${message}`;
  }
  if (isThrottled(error)) {
    return `AWS still asks for fewer requests after many attempts (${operation}): ${message} Other uploads of this account may be running; try again later.`;
  }
  if (QUOTA.has(name)) {
    return `A quota of the account is used up (${operation}): ${message} Remove what is no longer needed, or ask for more in AWS's Service Quotas.`;
  }
  if (isBrokenConnection(error)) {
    return `The connection to AWS broke again and again (${operation}): ${message || name}. Run the update again: what has arrived is not sent again.`;
  }
  return undefined;
}

const EXPIRED = new Set(["ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"]);
const WRONG_KEYS = new Set([
  "AuthFailure",
  "InvalidAccessKeyId",
  "InvalidClientTokenId",
  "InvalidSignatureException",
  "SignatureDoesNotMatch",
  "UnrecognizedClientException",
]);
const DENIED = new Set(["AccessDenied", "AccessDeniedException", "UnauthorizedOperation"]);
/** What S3 says when a bucket is in another region. */
const ELSEWHERE = new Set(["AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect"]);
const QUOTA = new Set([
  "ConcurrentLimitExceededException",
  "ConcurrentSnapshotLimitExceeded",
  "ServiceQuotaExceededException",
  "SnapshotLimitExceeded",
]);

function noCredentials(message: string): string {
  if (/expired|refresh/i.test(message)) {
    return `The AWS credentials have expired. Sign in again, for example with \`aws sso login\`. (${message})`;
  }
  return `There are no AWS credentials. Set AWS_PROFILE, sign in with \`aws sso login\`, or run \`pulumi config set aws:profile\`. Those that only the program gives are not kept for \`pulumi refresh\` and \`pulumi destroy\`. (${message})`;
}

function denied(error: unknown, message: string, { action, region, bucket }: Request): string {
  // The message names the action that AWS missed, which need not be the one that was asked for: a key's, for example.
  const [, named] = /perform: ([a-z0-9-]+:[A-Za-z]+)/.exec(message) ?? [];
  const { Reason: reason } = error as { Reason?: string };
  const policy = bucket === undefined ? "uploadPolicy" : "importPolicy";
  if (reason === "DEPENDENCY_ACCESS_DENIED" || named?.startsWith("kms:")) {
    const what = bucket === undefined ? "snapshot" : `objects of the bucket "${bucket}"`;
    return `AWS denied the use of the KMS key that encrypts the ${what} (${action} in ${region}): the permission ${named ?? "kms:GenerateDataKeyWithoutPlaintext, kms:CreateGrant or kms:DescribeKey"} is missing. \`${policy}\` of pulumi-unikernel/aws has all that are needed once \`kmsKeyArn\` names the key.`;
  }
  const where = bucket === undefined ? `is missing (in ${region})` : `on the bucket "${bucket}" is missing`;
  return `AWS denied the request: the permission ${named ?? action} ${where}. \`${policy}\` of pulumi-unikernel/aws has all that are needed.`;
}

function hostOf(error: unknown): string {
  const host = (error as { hostname?: unknown } | undefined)?.hostname;
  return typeof host === "string" ? host : "";
}
