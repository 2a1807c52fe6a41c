/** A statement of an IAM policy. */
export interface PolicyStatement {
  Sid: string;
  Effect: "Allow";
  Action: string[];
  Resource: string | string[];
  Condition?: { [operator: string]: { [key: string]: string | string[] } };
}

/** An IAM policy. */
export interface PolicyDocument {
  Version: "2012-10-17";
  Statement: PolicyStatement[];
}

/** Who may take on a role of IAM. */
export interface TrustPolicyDocument {
  Version: "2012-10-17";
  Statement: {
    Effect: "Allow";
    Principal: { Service: string };
    Action: "sts:AssumeRole";
    Condition: { StringEquals: { [key: string]: string } };
  }[];
}

export interface UploadPolicyArgs {
  /** Region to allow. Default: all. */
  region?: string;
  /** ARN of the KMS key that snapshots are encrypted with. Default: none may be used. */
  kmsKeyArn?: string;
  /** The regions that `copyTo` of `Ami` names. AWS gives the copies' snapshots no tags, so any snapshot there may be deleted. Default: none. */
  copyTo?: string[];
  /** Partition of AWS. Default: `aws`. */
  partition?: string;
}

/**
 * The least that an identity must be allowed to do for `Ami` to work: upload snapshots, delete those that this package made, and
 * register, deregister, copy and read images.
 *
 * ```ts
 * new aws.iam.Policy("upload", { policy: JSON.stringify(ukaws.uploadPolicy({ region: "eu-central-1" })) });
 * ```
 */
export function uploadPolicy(args: UploadPolicyArgs = {}): PolicyDocument {
  const { region = "*", kmsKeyArn, copyTo = [], partition = "aws" } = args;
  const source = resourcesOf(partition, region);
  const copies = copyTo.map((target) => resourcesOf(partition, target));
  const { snapshots } = source;
  const images = imagesOf(source, copies);
  return {
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "StartSnapshots",
        Effect: "Allow",
        Action: ["ebs:StartSnapshot"],
        Resource: snapshots,
        Condition: { Null: { "aws:RequestTag/unikernel:image": "false" } },
      },
      {
        Sid: "WriteSnapshots",
        Effect: "Allow",
        Action: ["ebs:CompleteSnapshot", "ebs:PutSnapshotBlock", "ec2:DeleteSnapshot"],
        Resource: snapshots,
        Condition: MADE_HERE,
      },
      tagging("TagSnapshotsAndImages", [snapshots, ...images]),
      registering([snapshots, ...images]),
      ...copying(source, copies),
      looking(),
      ...(kmsKeyArn === undefined
        ? []
        : [
            {
              Sid: "Encrypt",
              Effect: "Allow" as const,
              Action: ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
              Resource: kmsKeyArn,
            },
            {
              Sid: "LetEbsUseTheKey",
              Effect: "Allow" as const,
              Action: ["kms:CreateGrant"],
              Resource: kmsKeyArn,
              Condition: { Bool: { "kms:GrantIsForAWSResource": "true" } },
            },
          ]),
    ],
  };
}

export interface ImportPolicyArgs extends Omit<UploadPolicyArgs, "kmsKeyArn"> {
  /** Name of the bucket that disks are uploaded to. */
  bucket: string;
  /** ARN of the KMS key that the bucket encrypts its objects with. Default: none may be used. */
  kmsKeyArn?: string;
}

/**
 * The least that an identity must be allowed to do for `Ami` with `import` to work: upload disks to the bucket and remove them, let AWS import
 * them, delete the snapshots that this package made, and register, deregister, copy and read images.
 *
 * ```ts
 * new aws.iam.Policy("import", { policy: JSON.stringify(ukaws.importPolicy({ bucket: "my-images" })) });
 * ```
 */
export function importPolicy(args: ImportPolicyArgs): PolicyDocument {
  const { bucket, region = "*", kmsKeyArn, copyTo = [], partition = "aws" } = args;
  const source = resourcesOf(partition, region);
  const copies = copyTo.map((target) => resourcesOf(partition, target));
  const { snapshots, imports } = source;
  const images = imagesOf(source, copies);
  const arn = `arn:${partition}:s3:::${bucket}`;
  return {
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "UploadDisks",
        Effect: "Allow",
        // AWS asks whoever imports for `GetObject` and `GetBucketLocation`.
        Action: [
          "s3:AbortMultipartUpload",
          "s3:DeleteObject",
          "s3:GetObject",
          "s3:ListMultipartUploadParts",
          "s3:PutObject",
        ],
        Resource: `${arn}/*`,
      },
      { Sid: "FindDisks", Effect: "Allow", Action: ["s3:GetBucketLocation", "s3:ListBucket"], Resource: arn },
      { Sid: "ImportSnapshots", Effect: "Allow", Action: ["ec2:ImportSnapshot"], Resource: [imports, snapshots] },
      {
        Sid: "DeleteSnapshots",
        Effect: "Allow",
        Action: ["ec2:DeleteSnapshot"],
        Resource: snapshots,
        Condition: MADE_HERE,
      },
      tagging("TagImportsSnapshotsAndImages", [imports, snapshots, ...images]),
      registering([snapshots, ...images]),
      ...copying(source, copies),
      looking("ec2:DescribeImportSnapshotTasks"),
      ...(kmsKeyArn === undefined
        ? []
        : [
            {
              Sid: "EncryptDisks",
              Effect: "Allow" as const,
              // S3 decrypts the parts of an upload to put them together.
              Action: ["kms:Decrypt", "kms:GenerateDataKey"],
              Resource: kmsKeyArn,
            },
          ]),
    ],
  };
}

/** What makes the role by which AWS reads a bucket from which it imports. */
export interface ImportRole {
  /** Who may take it on: AWS's import, and nobody else. */
  assumeRolePolicy: TrustPolicyDocument;
  /** What it allows. */
  policy: PolicyDocument;
}

/**
 * The least that the role of AWS's import must allow. AWS documents it for imports of all kinds, and does not say what of it one of a
 * snapshot could do without.
 *
 * ```ts
 * const { assumeRolePolicy, policy } = ukaws.importRole({ bucket: "my-images" });
 * new aws.iam.Role("vmimport", {
 *   name: "vmimport",
 *   assumeRolePolicy: JSON.stringify(assumeRolePolicy),
 *   inlinePolicies: [{ name: "import", policy: JSON.stringify(policy) }],
 * });
 * ```
 *
 * @see https://docs.aws.amazon.com/vm-import/latest/userguide/required-permissions.html#vmimport-role
 */
export function importRole({
  bucket,
  kmsKeyArn,
  partition = "aws",
}: Pick<ImportPolicyArgs & UploadPolicyArgs, "bucket" | "kmsKeyArn" | "partition">): ImportRole {
  const arn = `arn:${partition}:s3:::${bucket}`;
  return {
    assumeRolePolicy: {
      Version: "2012-10-17",
      Statement: [
        {
          Effect: "Allow",
          Principal: { Service: "vmie.amazonaws.com" },
          Action: "sts:AssumeRole",
          Condition: { StringEquals: { "sts:ExternalId": "vmimport" } },
        },
      ],
    },
    policy: {
      Version: "2012-10-17",
      Statement: [
        {
          Sid: "ReadDisks",
          Effect: "Allow",
          Action: ["s3:GetBucketLocation", "s3:GetObject", "s3:ListBucket"],
          Resource: [arn, `${arn}/*`],
        },
        {
          Sid: "MakeSnapshots",
          Effect: "Allow",
          Action: ["ec2:CopySnapshot", "ec2:Describe*", "ec2:ModifySnapshotAttribute", "ec2:RegisterImage"],
          Resource: "*",
        },
        ...(kmsKeyArn === undefined
          ? []
          : [
              {
                Sid: "Encrypt",
                Effect: "Allow" as const,
                Action: [
                  "kms:CreateGrant",
                  "kms:Decrypt",
                  "kms:DescribeKey",
                  "kms:Encrypt",
                  "kms:GenerateDataKey*",
                  "kms:ReEncrypt*",
                ],
                Resource: kmsKeyArn,
              },
            ]),
      ],
    },
  };
}

/** Holds for snapshots that this package made. */
const MADE_HERE = { Null: { "aws:ResourceTag/unikernel:image": "false" } };

function resourcesOf(partition: string, region: string): Record<"snapshots" | "images" | "imports", string> {
  return {
    snapshots: `arn:${partition}:ec2:${region}::snapshot/*`,
    images: `arn:${partition}:ec2:${region}::image/*`,
    imports: `arn:${partition}:ec2:${region}:*:import-snapshot-task/*`,
  };
}

function tagging(Sid: string, Resource: string[]): PolicyStatement {
  return { Sid, Effect: "Allow", Action: ["ec2:CreateTags", "ec2:DeleteTags"], Resource };
}

function registering(Resource: string[]): PolicyStatement {
  return {
    Sid: "RegisterImages",
    Effect: "Allow",
    Action: [
      "ec2:DeregisterImage",
      "ec2:DisableImageDeprecation",
      "ec2:EnableImageDeprecation",
      "ec2:ModifyImageAttribute",
      "ec2:RegisterImage",
    ],
    Resource,
  };
}

type Ec2Resources = Pick<ReturnType<typeof resourcesOf>, "snapshots" | "images">;

/** The images of a region and of those that it is copied to. */
function imagesOf(source: Ec2Resources, copies: Ec2Resources[]): string[] {
  return [source, ...copies].map(({ images }) => images);
}

/** @see https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/copy-ami-permissions.html */
function copying(source: Ec2Resources, copies: Ec2Resources[]): PolicyStatement[] {
  if (copies.length === 0) return [];
  return [
    {
      Sid: "CopyImages",
      Effect: "Allow",
      Action: ["ec2:CopyImage"],
      Resource: [...imagesOf(source, copies), source.snapshots, ...copies.map(({ snapshots }) => snapshots)],
    },
    {
      Sid: "DeleteSnapshotsOfCopies",
      Effect: "Allow",
      Action: ["ec2:DeleteSnapshot"],
      Resource: copies.map(({ snapshots }) => snapshots),
    },
  ];
}

/** AWS has no narrower form of these. */
function looking(...more: string[]): PolicyStatement {
  return {
    Sid: "Look",
    Effect: "Allow",
    Action: [
      "ec2:DescribeImageAttribute",
      "ec2:DescribeImages",
      "ec2:DescribeInstanceTypes",
      "ec2:DescribeSnapshots",
      ...more,
    ],
    Resource: "*",
  };
}
