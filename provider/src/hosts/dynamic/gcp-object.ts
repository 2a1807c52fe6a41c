import * as pulumi from "@pulumi/pulumi";
import type { ObjectInputs } from "../../resources/gcp/object-properties.js";
import { digestOf, type Image } from "./image.js";
import { DynamicResource, type Inputs } from "./resource.js";

/** What proves to Google Cloud who asks. It is passed on to the upload, and is neither kept in the state nor logged. */
export interface GcpCredentials {
  /** A key or another credential configuration: the JSON text itself, or the path of a file that holds it. */
  credentials?: string | undefined;
  /** An OAuth 2.0 access token, in the place of credentials. */
  accessToken?: string | undefined;
}

/** What to put into an {@link DiskObject}, and where. */
export type DiskObjectArgs = Inputs<Omit<ObjectInputs, "image">> & {
  /** The image, or its digest. */
  image: Image | pulumi.Input<string>;
  /**
   * Credentials to use instead of those that Google's own tools would find. They are not kept, so `pulumi refresh` and `pulumi destroy`,
   * which do not run the program, take the stack's `gcp:credentials` or `gcp:accessToken`, or what Google's own tools would find.
   */
  credentials?: pulumi.Input<GcpCredentials | undefined>;
};

/**
 * An object of Cloud Storage that holds an image's disk as Compute Engine imports it: `disk.raw` in a gzipped tar archive, without the
 * disk's holes. Its name ends with the image's digest.
 *
 * An upload that is interrupted goes on where it ended. The former object is deleted once nothing is made of it any more.
 */
export class DiskObject extends DynamicResource {
  /** Name of the bucket. */
  declare readonly bucket: pulumi.Output<string>;
  /** First part of the object's name. */
  declare readonly name: pulumi.Output<string>;
  /** Name of the object in its bucket. */
  declare readonly object: pulumi.Output<string>;
  /** URL by which Compute Engine finds it. */
  declare readonly url: pulumi.Output<string>;
  /** Bytes. */
  declare readonly size: pulumi.Output<number>;

  /**
   * @param name - Name of the resource in the stack.
   * @param args - What to upload.
   * @param opts - How Pulumi treats the resource.
   */
  constructor(name: string, args: DiskObjectArgs, opts?: pulumi.CustomResourceOptions) {
    const { credentials, image, ...inputs } = args;
    const outputs = { name: undefined, object: undefined, url: undefined, size: undefined };
    super(
      "unikernel:gcp:DiskObject",
      name,
      { ...outputs, ...inputs, image: digestOf(image) },
      opts,
      credentials && pulumi.secret(credentials),
    );
  }
}
