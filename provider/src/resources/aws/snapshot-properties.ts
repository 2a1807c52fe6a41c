import type { AssumedRole, ServiceEndpoints } from "./connection-properties.js";

/** What to put into an EBS snapshot, and where. */
export interface SnapshotInputs {
  /** Digest of the image. */
  image: string;
  /** Name that tells this snapshot's upload from all others. Default: the resource's name with a suffix that tells projects and stacks apart. */
  name?: string;
  /** Region of AWS, such as `eu-central-1`. Default: the stack's `aws:region`, else the one that AWS's own tools would take. */
  region?: string;
  /** Profile of `~/.aws/config`. Default: the stack's `aws:profile`, else the one that AWS's own tools would take. */
  profile?: string;
  /** A role to take on. Default: the stack's `aws:assumeRoles`, unless the program names a profile or keys. */
  assumeRole?: AssumedRole;
  /** Where AWS's services are. Default: where they are in that region. */
  endpoints?: ServiceEndpoints;
  /**
   * Size of the volumes that are made of it, in GiB. Default: as large as the image's disk, and no smaller than before.
   * @minimum 1
   * @maximum 65536
   * @asType integer
   */
  volumeSize?: number;
  /** Whether to encrypt it. Default: as the account does. */
  encrypted?: boolean;
  /** ARN of the KMS key to encrypt it with. Default: the account's own for EBS. */
  kmsKeyArn?: string;
  /** What it is called in AWS's lists. Default: the image's digest. */
  description?: string;
  /** Tags, at most 48. */
  tags?: { [name: string]: string };
}

/** What a snapshot is. */
export interface SnapshotOutputs {
  /** Id of the snapshot: `snap-…`. */
  snapshotId: string;
  /** The region that it is in. */
  region: string;
  /** Id of the account that it is in. Older versions did not keep it. */
  ownerId?: string;
  /**
   * Size of the volumes that are made of it, in GiB.
   * @asType integer
   */
  volumeSize: number;
  /** Digests of its blocks, by which the next upload finds out which have changed: 22 characters for each 512 KiB. */
  blocks: string;
}
