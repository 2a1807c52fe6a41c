import type * as ebsSdk from "@aws-sdk/client-ebs";
import type * as ec2Sdk from "@aws-sdk/client-ec2";
import type * as providers from "@aws-sdk/credential-providers";
import { VisibleError } from "../../image/index.js";

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
}

/** Which account and region to talk to, and how. What is left out comes from where AWS's own tools take it (environment, profiles, SSO, instance role). */
export interface ConnectionSettings {
  region?: string | undefined;
  /** A profile of `~/.aws/config`. */
  profile?: string | undefined;
  credentials?: Credentials | undefined;
  assumeRole?: AssumedRole | undefined;
  /** URLs to use in the place of AWS's own. */
  endpoints?: { ebs?: string | undefined; ec2?: string | undefined; sts?: string | undefined } | undefined;
}

/** The services that a snapshot takes. */
export interface Connection {
  readonly region: string;
  readonly ebs: ebsSdk.EBS;
  readonly ec2: ec2Sdk.EC2;
  close(): void;
}

/** Requests to EBS in flight at once; AWS takes 1,000 blocks a second for an account, and a round trip some 50 ms or more. */
export const REQUESTS_IN_FLIGHT = 64;

const CONNECT_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 60_000;

/**
 * Opens a connection. Nothing is sent yet.
 *
 * @throws {VisibleError} when AWS's SDK is not installed, or no region is given anywhere.
 */
export async function connect(settings: ConnectionSettings): Promise<Connection> {
  const sdk = loadSdk();
  const common = {
    ...(settings.region !== undefined && { region: settings.region }),
    ...(settings.profile !== undefined && { profile: settings.profile }),
    ...credentialsOf(settings, sdk.providers),
    // `retry` has its own: the SDK's gives up on the whole account's behalf when a few dozen requests fail at once.
    maxAttempts: 1,
  };
  const requestHandler = (maxSockets: number): object => ({
    connectionTimeout: CONNECT_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    httpAgent: { keepAlive: true, maxSockets },
    httpsAgent: { keepAlive: true, maxSockets },
  });
  const { ebs: ebsEndpoint, ec2: ec2Endpoint } = settings.endpoints ?? {};
  const ebs = new sdk.ebs.EBS({
    ...common,
    ...(ebsEndpoint !== undefined && { endpoint: ebsEndpoint }),
    requestHandler: requestHandler(REQUESTS_IN_FLIGHT),
  });
  signByChecksum(ebs);
  const ec2 = new sdk.ec2.EC2({
    ...common,
    ...(ec2Endpoint !== undefined && { endpoint: ec2Endpoint }),
    requestHandler: requestHandler(4),
  });
  const region = await ebs.config.region().catch(() => undefined);
  if (!region) {
    throw new VisibleError(
      "No AWS region is given. Set one with `pulumi config set aws:region`, AWS_REGION, or the profile's `region`.",
    );
  }
  return {
    region,
    ebs,
    ec2,
    close() {
      ebs.destroy();
      ec2.destroy();
    },
  };
}

/** Lets the signature of a block go by the SHA-256 that its checksum is: the SDK would compute it a second time. */
function signByChecksum(ebs: ebsSdk.EBS): void {
  ebs.middlewareStack.add(
    (next) => (args) => {
      const { headers } = args.request as { headers: Record<string, string> };
      const checksum = headers["x-amz-checksum"];
      if ("BlockData" in args.input && checksum !== undefined)
        headers["x-amz-content-sha256"] = Buffer.from(checksum, "base64").toString("hex");
      return next(args);
    },
    { step: "build", name: "signByChecksum" },
  );
}

function credentialsOf(
  { region, profile, credentials, assumeRole, endpoints }: ConnectionSettings,
  { fromTemporaryCredentials }: typeof providers,
): { credentials?: Credentials | ReturnType<typeof fromTemporaryCredentials> } {
  if (assumeRole === undefined) return credentials === undefined ? {} : { credentials };
  const { roleArn, externalId, sessionName } = assumeRole;
  return {
    credentials: fromTemporaryCredentials({
      ...(credentials !== undefined && { masterCredentials: credentials }),
      params: {
        RoleArn: roleArn,
        RoleSessionName: sessionName ?? "pulumi-unikernel",
        ...(externalId !== undefined && { ExternalId: externalId }),
      },
      clientConfig: {
        ...(region !== undefined && { region }),
        ...(profile !== undefined && { profile }),
        ...(endpoints?.sts !== undefined && { endpoint: endpoints.sts }),
      },
    }),
  };
}

interface Sdk {
  ebs: typeof ebsSdk;
  ec2: typeof ec2Sdk;
  providers: typeof providers;
}

/** Loaded when it is first needed: whoever stays at home does not have it. */
function loadSdk(): Sdk {
  try {
    /* eslint-disable @typescript-eslint/no-require-imports */
    return {
      ebs: require("@aws-sdk/client-ebs") as Sdk["ebs"],
      ec2: require("@aws-sdk/client-ec2") as Sdk["ec2"],
      providers: require("@aws-sdk/credential-providers") as Sdk["providers"],
    };
    /* eslint-enable @typescript-eslint/no-require-imports */
  } catch (error) {
    if ((error as { code?: unknown }).code !== "MODULE_NOT_FOUND") throw error;
    throw new VisibleError(
      "AWS's SDK is not installed, which the upload to AWS goes through. Run: npm install @pulumi/aws @aws-sdk/client-ebs @aws-sdk/client-ec2 @aws-sdk/credential-providers",
    );
  }
}
