import type * as ebsSdk from "@aws-sdk/client-ebs";
import type * as ec2Sdk from "@aws-sdk/client-ec2";
import type * as s3Sdk from "@aws-sdk/client-s3";
import type * as providers from "@aws-sdk/credential-providers";
import { VisibleError } from "../../image/index.js";
import { openAgents } from "./agents.js";
import { loadSdk } from "./sdk.js";

/** Keys of an AWS account, when they are not left to where AWS's own tools look for them. */
export interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

/** A role to take on with the credentials that there are. */
export interface AssumedRole {
  roleArn: string;
  externalId?: string | undefined;
  sessionName?: string | undefined;
  /** How long credentials of it last before others are asked for. */
  durationSeconds?: number | undefined;
  /** Policies that leave less to the session than to the role: one itself, and the ARNs of others. */
  policy?: string | undefined;
  policyArns?: string[] | undefined;
  sourceIdentity?: string | undefined;
  /** Tags of the session, and the names of those that the sessions after it have, too. */
  tags?: { [name: string]: string } | undefined;
  transitiveTagKeys?: string[] | undefined;
}

/** Which account and region to talk to, and how. What is left out comes from where AWS's own tools take it (environment, profiles, SSO, instance role). */
export interface ConnectionSettings {
  region?: string | undefined;
  /** A profile of `~/.aws/config`. */
  profile?: string | undefined;
  credentials?: Credentials | undefined;
  /** Roles to take on, each with the credentials of the one before. */
  assumeRoles?: AssumedRole[] | undefined;
  /** URLs to use in the place of AWS's own. */
  endpoints?:
    | { ebs?: string | undefined; ec2?: string | undefined; s3?: string | undefined; sts?: string | undefined }
    | undefined;
  /** After how long without a byte a request counts as broken, and is sent again. Default: 60,000. */
  stallTimeoutMs?: number;
}

/** The services that a snapshot takes. */
export interface Connection {
  readonly region: string;
  readonly ebs: ebsSdk.EBS;
  readonly ec2: ec2Sdk.EC2;
  /** Where STS is, which knows whose the credentials are. */
  readonly sts: URL;
  close(): void;
}

/** The service that keeps objects. */
export interface StorageConnection {
  readonly region: string;
  readonly s3: s3Sdk.S3;
  close(): void;
}

/** Requests to EBS in flight at once; AWS takes 1,000 blocks a second for an account, and a round trip some 50 ms or more. */
export const REQUESTS_IN_FLIGHT = 64;
/** Parts of an object that are sent at once. */
export const PARTS_IN_FLIGHT = 4;

const CONNECT_TIMEOUT_MS = 10_000;
/** How long a connection may stand still in a request. A slow line is none that stands still. */
const STALL_TIMEOUT_MS = 60_000;

/**
 * Opens a connection to EBS and EC2. Nothing is sent yet.
 *
 * @throws {VisibleError} when AWS's SDK is not installed, no region is given anywhere, or `AWS_CA_BUNDLE` names no file that can be read.
 */
export async function connect(settings: ConnectionSettings): Promise<Connection> {
  const { EBS } = loadSdk<typeof ebsSdk>("@aws-sdk/client-ebs");
  const { EC2 } = loadSdk<typeof ec2Sdk>("@aws-sdk/client-ec2");
  const ebs = new EBS(clientOptions(settings, "ebs", REQUESTS_IN_FLIGHT));
  const ec2 = new EC2(clientOptions(settings, "ec2", 4));
  const region = await regionOf(ebs);
  return {
    region,
    ebs,
    ec2,
    sts: settings.endpoints?.sts === undefined ? await besideEc2(ec2, region) : new URL(settings.endpoints.sts),
    close() {
      ebs.destroy();
      ec2.destroy();
    },
  };
}

/**
 * Opens a connection to S3. Nothing is sent yet.
 *
 * @throws {VisibleError} as {@link connect}.
 */
export async function connectStorage(settings: ConnectionSettings): Promise<StorageConnection> {
  const { S3 } = loadSdk<typeof s3Sdk>("@aws-sdk/client-s3");
  const s3 = new S3({
    ...clientOptions(settings, "s3", PARTS_IN_FLIGHT),
    // Names of buckets are no hosts below an endpoint that is not AWS's own.
    forcePathStyle: settings.endpoints?.s3 !== undefined,
    // Parts bring the SHA-256 that their uploader keeps; other requests need nothing.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  });
  signByChecksum(s3);
  return { region: await regionOf(s3), s3, close: () => s3.destroy() };
}

type Service = "ebs" | "ec2" | "s3";

/** What the clients of all services have in common. */
function clientOptions(settings: ConnectionSettings, service: Service, maxSockets: number) {
  const endpoint = settings.endpoints?.[service];
  return {
    ...(settings.region !== undefined && { region: settings.region }),
    ...(settings.profile !== undefined && { profile: settings.profile }),
    ...credentialsOf(settings),
    ...(endpoint !== undefined && { endpoint }),
    // `retry` has its own: the SDK's gives up on the whole account's behalf when a few dozen requests fail at once.
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      // `requestTimeout` would only warn.
      socketTimeout: settings.stallTimeoutMs ?? STALL_TIMEOUT_MS,
      ...openAgents(maxSockets),
    },
  };
}

async function regionOf(client: { config: { region: () => Promise<string> } }): Promise<string> {
  const region = await client.config.region().catch(() => undefined);
  if (region) return region;
  throw new VisibleError(
    "No AWS region is given. Set one with `pulumi config set aws:region`, AWS_REGION, or the profile's `region`.",
  );
}

/** The regional endpoint of STS. In each partition it is named as EC2's is. */
async function besideEc2({ config }: ec2Sdk.EC2, region: string): Promise<URL> {
  const { url } = config.endpointProvider({
    Region: region,
    UseFIPS: await config.useFipsEndpoint(),
    UseDualStack: await config.useDualstackEndpoint(),
  });
  return new URL(url.href.replace("//ec2", "//sts"));
}

/** Lets the signature of a part of an object go by the SHA-256 that its checksum is: the SDK would compute it a second time. */
function signByChecksum({ middlewareStack }: s3Sdk.S3): void {
  middlewareStack.add(
    (next) => (args) => {
      const { headers } = args.request as { headers: Record<string, string> };
      const checksum = "Body" in args.input && headers["x-amz-checksum-sha256"];
      if (checksum) headers["x-amz-content-sha256"] = Buffer.from(checksum, "base64").toString("hex");
      return next(args);
    },
    { step: "build", name: "signByChecksum" },
  );
}

type CredentialsOrProvider = Credentials | ReturnType<typeof providers.fromTemporaryCredentials>;

function credentialsOf({ region, profile, credentials, assumeRoles = [], endpoints }: ConnectionSettings): {
  credentials?: CredentialsOrProvider;
} {
  let found: CredentialsOrProvider | undefined = credentials;
  for (const role of assumeRoles) {
    const { fromTemporaryCredentials } = loadSdk<typeof providers>("@aws-sdk/credential-providers");
    found = fromTemporaryCredentials({
      ...(found !== undefined && { masterCredentials: found }),
      params: sessionOf(role),
      clientConfig: {
        ...(region !== undefined && { region }),
        ...(profile !== undefined && { profile }),
        ...(endpoints?.sts !== undefined && { endpoint: endpoints.sts }),
      },
    });
  }
  return found === undefined ? {} : { credentials: found };
}

/** A role as STS is asked for a session of it. */
function sessionOf(role: AssumedRole): providers.FromTemporaryCredentialsOptions["params"] {
  const { roleArn, externalId, sessionName, durationSeconds, policy, policyArns, sourceIdentity, tags } = role;
  const { transitiveTagKeys } = role;
  return {
    RoleArn: roleArn,
    RoleSessionName: sessionName ?? "pulumi-unikernel",
    ...(externalId !== undefined && { ExternalId: externalId }),
    ...(durationSeconds !== undefined && { DurationSeconds: durationSeconds }),
    ...(policy !== undefined && { Policy: policy }),
    ...(policyArns && { PolicyArns: policyArns.map((arn) => ({ arn })) }),
    ...(sourceIdentity !== undefined && { SourceIdentity: sourceIdentity }),
    ...(tags && { Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) }),
    ...(transitiveTagKeys && { TransitiveTagKeys: transitiveTagKeys }),
  };
}
