/** What to put into a bucket, and into which. */
export interface ObjectInputs {
  /** Digest of the image. */
  image: string;
  /** Name of the bucket. It must exist. */
  bucket: string;
  /**
   * First part of the object's name, which the image's digest follows. It tells this resource's objects from all others. Default: the resource's name
   * with a suffix that tells projects and stacks apart.
   */
  name?: string;
  /** Whether the object stays in the bucket once an image of Compute Engine has been made of it. Default: `true`. */
  keep?: boolean;
  /** E-mail address of a service account to act as. Default: the stack's `gcp:impersonateServiceAccount`. */
  impersonateServiceAccount?: string;
  /** The project that pays for requests. Default: the stack's `gcp:billingProject`, else the bucket's own. */
  billingProject?: string;
  /** URL of Cloud Storage. Default: the stack's `gcp:storageCustomEndpoint`, else Google's own. */
  endpoint?: string;
}

/** What an object is. */
export interface ObjectOutputs {
  /** Name of the object in its bucket. */
  object: string;
  /** URL by which Compute Engine finds it. */
  url: string;
  /** Bytes. */
  size: number;
}
