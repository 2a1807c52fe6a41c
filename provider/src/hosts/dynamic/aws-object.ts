import * as pulumi from "@pulumi/pulumi";
import type { ObjectInputs } from "../../resources/aws/object-properties.js";
import type { AwsCredentials } from "./aws-snapshot.js";
import { digestOf, type Image } from "./image.js";
import { DynamicResource, type Inputs } from "./resource.js";

/** What to put into a {@link DiskObject}, and where. */
export type DiskObjectArgs = Inputs<Omit<ObjectInputs, "image">> & {
  /** The image, or its digest. */
  image: Image | pulumi.Input<string>;
  /** Keys to use instead of those that AWS's own tools would find. They are not kept, as those of a `Snapshot` are not. */
  credentials?: pulumi.Input<AwsCredentials | undefined>;
};

/**
 * An object of S3 that holds an image's disk as AWS imports it: a VMDK, compressed, without the disk's holes. Its key ends with the image's
 * digest.
 *
 * An upload that is interrupted goes on where it ended. The former object is deleted once nothing is made of it any more.
 */
export class DiskObject extends DynamicResource {
  /** Name of the bucket. */
  declare readonly bucket: pulumi.Output<string>;
  /** First part of the object's key. */
  declare readonly name: pulumi.Output<string>;
  /** Key of the object in its bucket. */
  declare readonly key: pulumi.Output<string>;
  /** Bytes. */
  declare readonly size: pulumi.Output<number>;

  /**
   * @param name - Name of the resource in the stack.
   * @param args - What to upload.
   * @param opts - How Pulumi treats the resource.
   */
  constructor(name: string, args: DiskObjectArgs, opts?: pulumi.CustomResourceOptions) {
    const { credentials, image, ...inputs } = args;
    const outputs = { name: undefined, key: undefined, size: undefined };
    super(
      "unikernel:aws:DiskObject",
      name,
      { ...outputs, ...inputs, image: digestOf(image) },
      opts,
      credentials && pulumi.secret(credentials),
    );
  }
}
