import * as ebs from "@pulumi/aws/ebs";
import type { Provider } from "@pulumi/aws/provider";
import * as pulumi from "@pulumi/pulumi";
import { given } from "../cloud/given.js";
import { providerInput } from "../cloud/provider-input.js";
import { whileStaged } from "../cloud/staging.js";
import { transformed } from "../cloud/transform.js";
import { DiskObject, type DiskObjectArgs } from "../hosts/dynamic/aws-object.js";
import { Snapshot, type AwsCredentials, type SnapshotArgs } from "../hosts/dynamic/aws-snapshot.js";
import { digestOf } from "../hosts/dynamic/image.js";
import { ensureObject, removeObject, type CheckedObject } from "../resources/aws/object.js";
import type { AmiArgs } from "./ami.js";

/** A snapshot that root volumes are made of, and what it took to make it. */
export interface RootSnapshot {
  id: pulumi.Output<string>;
  /** GiB. */
  volumeSize: pulumi.Output<number>;
  /** The snapshot itself, where it was written by the EBS direct APIs. */
  snapshot?: Snapshot;
  /** What it was imported from, and its import, where it came by S3. */
  object?: DiskObject;
  snapshotImport?: ebs.SnapshotImport;
}

/** What a snapshot is made of, and by whom. */
export interface Making {
  name: string;
  args: AmiArgs;
  digest: pulumi.Output<string>;
  region: pulumi.Output<string>;
  provider: Provider | undefined;
  parent: { parent: pulumi.Resource };
}

/** Writes a snapshot by the EBS direct APIs. */
export function writtenSnapshot({ name, args, digest, region, provider, parent }: Making): RootSnapshot {
  const snapshot = new Snapshot(
    ...transformed<SnapshotArgs>(
      args.transform?.snapshot,
      name,
      {
        image: digest,
        region,
        ...given("volumeSize", args.volumeSize),
        ...given("encrypted", args.encrypted),
        ...given("kmsKeyArn", args.kmsKeyArn),
        ...given("tags", args.tags),
        ...connectionOf(args, provider),
      },
      parent,
    ),
  );
  return { id: snapshot.snapshotId, volumeSize: snapshot.volumeSize, snapshot };
}

/** Lets AWS import a snapshot from an object of S3. */
export function importedSnapshot(
  { name, args, digest, region, provider, parent }: Making,
  { bucket, keepObject = true, roleName }: NonNullable<AmiArgs["import"]>,
): RootSnapshot {
  const { transform = {}, tags = {} } = args;
  const objectArgs = transformed<DiskObjectArgs>(
    transform.object,
    name,
    {
      image: digest,
      bucket: pulumi.CustomResource.isInstance(bucket) ? bucket.bucket : bucket,
      region,
      ...given("keep", keepObject ? undefined : false),
      ...connectionOf(args, provider),
    },
    parent,
  );
  const object = new DiskObject(...objectArgs);
  const encrypted = args.encrypted ?? (args.kmsKeyArn === undefined ? undefined : true);
  const snapshotImport = new ebs.SnapshotImport(
    ...transformed<ebs.SnapshotImportArgs>(
      transform.snapshotImport,
      name,
      {
        description: pulumi.interpolate`unikernel ${digest}`,
        diskContainer: { format: "VMDK", userBucket: { s3Bucket: object.bucket, s3Key: object.key } },
        region,
        // By the digest `importPolicy` tells whose snapshots may be deleted.
        tags: pulumi.output(tags).apply((tags) => ({ Name: name, ...tags, "unikernel:image": digest })),
        ...given("roleName", roleName),
        ...given("encrypted", encrypted),
        ...given("kmsKeyId", args.kmsKeyArn),
      },
      { ...parent, ...(!keepObject && { hooks: staging(object, objectArgs[1]) }) },
    ),
  );
  return {
    id: snapshotImport.id,
    volumeSize: pulumi.all([args.volumeSize, snapshotImport.volumeSize]).apply(([asked, least]) => asked ?? least),
    object,
    snapshotImport,
  };
}

function staging(object: DiskObject, { credentials, image, ...rest }: DiskObjectArgs): pulumi.ResourceHookBinding {
  const inputs = pulumi.output({ ...rest, image: digestOf(image), name: object.name });
  return whileStaged(object, inputs as pulumi.Output<CheckedObject>, credentials, {
    ensure: ensureObject,
    remove: removeObject,
  });
}

/** How an upload finds the account. */
function connectionOf(
  { connection = {} }: AmiArgs,
  provider: Provider | undefined,
): Pick<SnapshotArgs, "profile" | "credentials" | "assumeRole" | "endpoints"> {
  return {
    ...given("profile", connection.profile ?? (provider && (providerInput(provider.profile) as pulumi.Output<string>))),
    ...given("credentials", connection.credentials ?? credentialsOf(provider)),
    ...given("assumeRole", connection.assumeRole),
    ...given("endpoints", connection.endpoints),
  };
}

/** The keys of a provider that was given some. */
function credentialsOf(provider: Provider | undefined): pulumi.Output<AwsCredentials | undefined> | undefined {
  if (provider === undefined) return undefined;
  const keys = [provider.accessKey, provider.secretKey, provider.token].map(providerInput);
  return pulumi.all(keys).apply(([accessKeyId, secretAccessKey, sessionToken]) => {
    if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
    return { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) };
  });
}
