import * as pulumi from "@pulumi/pulumi";
import type { SnapshotInputs, SnapshotOutputs } from "../../resources/aws/snapshot-properties.js";
import { digestOf, type Image } from "./image.js";
import { DynamicResource, type Inputs } from "./resource.js";

/** Keys of an AWS account. They are passed on to the upload, and are neither kept in the state nor logged. */
export interface AwsCredentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

/** What to put into a {@link Snapshot}, and where. */
export type SnapshotArgs = Inputs<Omit<SnapshotInputs, "image">> & {
  /** The image, or its digest. */
  image: Image | pulumi.Input<string>;
  /**
   * Keys to use instead of those that AWS's own tools would find. They are not kept, so `pulumi refresh` and `pulumi destroy`, which
   * do not run the program, take the stack's `aws:accessKey` and `aws:secretKey`, or what AWS's own tools would find. They fail when that is of
   * another account.
   */
  credentials?: pulumi.Input<AwsCredentials | undefined>;
};

/**
 * An EBS snapshot that holds an image's disk, written by the EBS direct APIs: no bucket, no instance, no import role. Blocks of zeros are not
 * sent, and of the next version of the image only the blocks that have changed.
 *
 * An upload that is interrupted goes on where it ended. The former snapshot is deleted once nothing is made of it any more.
 */
export class Snapshot extends DynamicResource {
  /** Id of the snapshot: `snap-…`. */
  declare readonly snapshotId: pulumi.Output<string>;
  /** The region that it is in. */
  declare readonly region: pulumi.Output<string>;
  /** Id of the account that it is in. Of a snapshot that an older version made it is not known. */
  declare readonly ownerId: pulumi.Output<SnapshotOutputs["ownerId"]>;
  /** Size of the volumes that are made of it, in GiB. */
  declare readonly volumeSize: pulumi.Output<number>;
  /** Digests of its blocks, by which the next upload finds out which have changed. */
  declare readonly blocks: pulumi.Output<SnapshotOutputs["blocks"]>;

  /**
   * @param name - Name of the resource in the stack.
   * @param args - What to upload.
   * @param opts - How Pulumi treats the resource.
   */
  constructor(name: string, args: SnapshotArgs, opts?: pulumi.CustomResourceOptions) {
    const { credentials, image, ...inputs } = args;
    const outputs = {
      snapshotId: undefined,
      region: undefined,
      ownerId: undefined,
      volumeSize: undefined,
      blocks: undefined,
    };
    super(
      "unikernel:aws:Snapshot",
      name,
      { ...outputs, ...inputs, image: digestOf(image) },
      opts,
      credentials && pulumi.secret(credentials),
    );
  }
}
