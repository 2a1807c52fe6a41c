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

export interface UploadPolicyArgs {
  /** Region to allow. Default: all. */
  region?: string;
  /** ARN of the KMS key that snapshots are encrypted with. Default: none may be used. */
  kmsKeyArn?: string;
  /** Partition of AWS. Default: `aws`. */
  partition?: string;
}

/**
 * The least that an identity must be allowed to do for `Ami` to work: upload snapshots, delete those that this package made, and
 * register, deregister and read images.
 *
 * ```ts
 * new aws.iam.Policy("upload", { policy: JSON.stringify(ukaws.uploadPolicy({ region: "eu-central-1" })) });
 * ```
 */
export function uploadPolicy({ region = "*", kmsKeyArn, partition = "aws" }: UploadPolicyArgs = {}): PolicyDocument {
  const snapshots = `arn:${partition}:ec2:${region}::snapshot/*`;
  const images = `arn:${partition}:ec2:${region}::image/*`;
  const made = { Null: { "aws:ResourceTag/unikernel:image": "false" } };
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
        Condition: made,
      },
      {
        Sid: "TagSnapshotsAndImages",
        Effect: "Allow",
        Action: ["ec2:CreateTags", "ec2:DeleteTags"],
        Resource: [snapshots, images],
      },
      {
        Sid: "RegisterImages",
        Effect: "Allow",
        Action: [
          "ec2:DeregisterImage",
          "ec2:DisableImageDeprecation",
          "ec2:EnableImageDeprecation",
          "ec2:ModifyImageAttribute",
          "ec2:RegisterImage",
        ],
        Resource: [snapshots, images],
      },
      {
        // AWS has no narrower form of these.
        Sid: "Look",
        Effect: "Allow",
        Action: [
          "ec2:DescribeImageAttribute",
          "ec2:DescribeImages",
          "ec2:DescribeInstanceTypes",
          "ec2:DescribeSnapshots",
        ],
        Resource: "*",
      },
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
