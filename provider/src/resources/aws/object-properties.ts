import type { AssumedRole, ServiceEndpoints } from "./connection-properties.js";

/** What to put into a bucket of S3, and into which. */
export interface ObjectInputs {
  /** Digest of the image. */
  image: string;
  /** Name of the bucket. It must exist, in the region that the image is imported to. */
  bucket: string;
  /**
   * First part of the object's key, which the image's digest follows. It tells this resource's objects from all others. Default: the resource's name
   * with a suffix that tells projects and stacks apart.
   */
  name?: string;
  /** Whether the object stays in the bucket once a snapshot has been made of it. Default: `true`. */
  keep?: boolean;
  /** Region of AWS, such as `eu-central-1`. Default: the stack's `aws:region`, else the one that AWS's own tools would take. */
  region?: string;
  /** Profile of `~/.aws/config`. Default: the stack's `aws:profile`, else the one that AWS's own tools would take. */
  profile?: string;
  /** A role to take on. Default: the stack's `aws:assumeRoles`, unless the program names a profile or keys. */
  assumeRole?: AssumedRole;
  /** Where AWS's services are. Default: where they are in that region. */
  endpoints?: ServiceEndpoints;
}

/** What an object is. */
export interface ObjectOutputs {
  /** Key of the object in its bucket. */
  key: string;
  /** Bytes. */
  size: number;
}
