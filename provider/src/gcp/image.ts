import * as compute from "@pulumi/gcp/compute";
import type * as storage from "@pulumi/gcp/storage";
import type { Provider } from "@pulumi/gcp/provider";
import * as pulumi from "@pulumi/pulumi";
import { given } from "../cloud/given.js";
import { providerInput } from "../cloud/provider-input.js";
import type { Size } from "../cloud/size.js";
import { whileStaged } from "../cloud/staging.js";
import { transformed, type Transform } from "../cloud/transform.js";
import { DiskObject, type DiskObjectArgs, type GcpCredentials } from "../hosts/dynamic/gcp-object.js";
import { digestOf, type Image as AnyImage } from "../hosts/dynamic/image.js";
import { ensureObject, removeObject, type CheckedObject } from "../resources/gcp/object.js";
import { fittingMachineType, type Demands, type Place } from "./machine-type.js";

/** What to make of an image, and where. */
export interface ImageArgs {
  /** The image, or its digest. */
  image: AnyImage | pulumi.Input<string>;
  /** The bucket that the disk is uploaded to, or its name. It must exist. */
  bucket: storage.Bucket | pulumi.Input<string>;
  /**
   * Whether the uploaded object stays in the bucket, as part of the stack, once the image has been made of it. If not, it is removed
   * then, and uploaded again should the image have to be made again. Default: `true`.
   */
  keepObject?: boolean;
  /** Project of Google Cloud. Default: the provider's. */
  project?: pulumi.Input<string>;
  /** The family that it is the newest of. */
  family?: pulumi.Input<string>;
  /** Labels of the image. */
  labels?: pulumi.Input<{ [name: string]: pulumi.Input<string> }>;
  /** URLs of licences that go with the image. Default: none. */
  licenses?: pulumi.Input<pulumi.Input<string>[]>;
  /** Regions that keep the image. Default: the bucket's nearest multi-region. */
  storageLocations?: pulumi.Input<pulumi.Input<string>[]>;
  /** Key of Cloud KMS to encrypt the image with, by its full name. Default: Google's own. */
  kmsKey?: pulumi.Input<string>;
  /**
   * How the upload finds the account, where it is not the way of the `gcp` provider that this component has: its credentials are
   * taken over by themselves.
   */
  connection?: Partial<Pick<DiskObjectArgs, "impersonateServiceAccount" | "billingProject" | "endpoint">> & {
    credentials?: pulumi.Input<GcpCredentials>;
  };
  /** Changes what the underlying resources are made with. */
  transform?: {
    object?: Transform<DiskObjectArgs>;
    image?: Transform<compute.ImageArgs>;
  };
}

/**
 * An image of Compute Engine from an image of this package: its disk in an object of Cloud Storage, imported. All of it is the stack's own; a new
 * digest makes a new image, and the old one goes when nothing of the stack uses it any more.
 *
 * ```ts
 * const gce = new ukgcp.Image("web", { image, bucket });
 * const web = new gcp.compute.Instance("web", {
 *   bootDisk: { initializeParams: { image: gce.selfLink } },
 *   machineType: gce.fitting("e2-micro"),
 *   …
 * });
 * ```
 */
export class Image extends pulumi.ComponentResource {
  /** Id of the image: `projects/…/global/images/…`. */
  readonly id: pulumi.Output<string>;
  /** URL of the image. */
  readonly selfLink: pulumi.Output<string>;
  /** The digest of the image that it was made of. */
  readonly digest: pulumi.Output<string>;
  readonly object: DiskObject;
  readonly image: compute.Image;

  readonly #architecture: pulumi.Output<string>;

  constructor(name: string, args: ImageArgs, opts?: pulumi.ComponentResourceOptions) {
    super("unikernel:gcp:Image", name, {}, opts);
    const { keepObject = true, transform = {} } = args;
    const parent = { parent: this };
    this.digest = pulumi.output(digestOf(args.image));
    this.#architecture = architectureOf(args.image);

    const object = transformed<DiskObjectArgs>(transform.object, name, this.#objectArgs(args), parent);
    this.object = new DiskObject(...object);
    const staging = keepObject ? {} : { hooks: this.#staging(object[1]) };
    this.image = new compute.Image(
      ...transformed<compute.ImageArgs>(
        transform.image,
        name,
        {
          // No `name`: Pulumi gives each replacement another, as Compute Engine wants it.
          description: pulumi.interpolate`unikernel ${this.digest}`,
          rawDisk: { source: this.object.url },
          // What is true of the kernel, which has one queue for a disk on virtio-scsi.
          guestOsFeatures: [{ type: "UEFI_COMPATIBLE" }, { type: "GVNIC" }],
          ...given("family", args.family),
          ...given("labels", args.labels),
          ...given("licenses", args.licenses),
          ...given("storageLocations", args.storageLocations),
          ...(args.kmsKey !== undefined && { imageEncryptionKey: { kmsKeySelfLink: args.kmsKey } }),
          ...given("project", args.project),
        },
        { ...parent, ...staging },
      ),
    );
    this.id = this.image.id;
    this.selfLink = this.image.selfLink;
    this.registerOutputs({ id: this.id, selfLink: this.selfLink, digest: this.digest });
  }

  /**
   * The machine type, once it is known that the image can run on it: its processor, and with a zone its memory and its number of
   * processors. Otherwise the preview fails with the reason. {@link nicType} says which network card to ask for with it.
   */
  fitting(machineType: pulumi.Input<string>, least: pulumi.Input<Size> = {}, place?: Place): pulumi.Output<string> {
    const demands = pulumi
      .all([this.#architecture, least])
      .apply(([architecture, least]): Demands => ({ architecture, ...least }));
    return fittingMachineType(machineType, demands, place, this);
  }

  #staging({ credentials, image, ...rest }: DiskObjectArgs): pulumi.ResourceHookBinding {
    const inputs = pulumi.output({ ...rest, image: digestOf(image), name: this.object.name });
    return whileStaged(this.object, inputs as pulumi.Output<CheckedObject>, credentials, {
      ensure: ensureObject,
      remove: removeObject,
    });
  }

  #objectArgs({ bucket, connection = {}, keepObject = true }: ImageArgs): DiskObjectArgs {
    const provider = this.getProvider("gcp:compute/image:Image") as Provider | undefined;
    const ofProvider = (key: "impersonateServiceAccount" | "billingProject"): pulumi.Input<string> | undefined =>
      provider && (providerInput(provider[key]) as pulumi.Output<string>);
    return {
      image: this.digest,
      bucket: pulumi.CustomResource.isInstance(bucket) ? bucket.name : bucket,
      ...given("keep", keepObject ? undefined : false),
      ...given(
        "impersonateServiceAccount",
        connection.impersonateServiceAccount ?? ofProvider("impersonateServiceAccount"),
      ),
      ...given("billingProject", connection.billingProject ?? ofProvider("billingProject")),
      ...given("endpoint", connection.endpoint),
      ...given("credentials", connection.credentials ?? credentialsOf(provider)),
    };
  }
}

/** Of a digest alone it is not known, but there is only one so far. */
function architectureOf(image: ImageArgs["image"]): pulumi.Output<string> {
  const given = pulumi.CustomResource.isInstance(image) && "architecture" in image ? image.architecture : "x86_64";
  return pulumi.output(given);
}

/** What a provider proves who asks with, if it was given that. */
function credentialsOf(provider: Provider | undefined): pulumi.Output<GcpCredentials | undefined> | undefined {
  if (provider === undefined) return undefined;
  return pulumi
    .all([providerInput(provider.credentials), providerInput(provider.accessToken)])
    .apply(([credentials, accessToken]) =>
      credentials === undefined && accessToken === undefined
        ? undefined
        : { ...given("credentials", credentials), ...given("accessToken", accessToken) },
    );
}
