import type * as ebs from "@pulumi/aws/ebs";
import * as ec2 from "@pulumi/aws/ec2";
import { getRegionOutput } from "@pulumi/aws/getRegion";
import type { Provider } from "@pulumi/aws/provider";
import type * as s3 from "@pulumi/aws/s3";
import * as pulumi from "@pulumi/pulumi";
import { given } from "../cloud/given.js";
import type { Size } from "../cloud/size.js";
import { transformed, type Transform } from "../cloud/transform.js";
import type { DiskObject, DiskObjectArgs } from "../hosts/dynamic/aws-object.js";
import type { AwsCredentials, Snapshot, SnapshotArgs } from "../hosts/dynamic/aws-snapshot.js";
import { digestOf, type Image } from "../hosts/dynamic/image.js";
import type { AssumedRole, ServiceEndpoints } from "../resources/aws/connection-properties.js";
import { fittingInstanceType, type Demands } from "./instance-type.js";
import { importedSnapshot, writtenSnapshot } from "./root-snapshot.js";

/** How a disk comes to AWS by way of S3. */
export interface ImportArgs {
  /** The bucket that the disk is uploaded to, or its name. It must exist, in the region that the image is for. */
  bucket: s3.Bucket | pulumi.Input<string>;
  /**
   * Whether the uploaded object stays in the bucket, as part of the stack, once the snapshot has been made of it. If not, it is removed
   * then, and uploaded again should the snapshot have to be made again. Default: `true`.
   */
  keepObject?: boolean;
  /** Name of the role by which AWS reads the bucket; `importRole` says what it must allow. Default: `vmimport`. */
  roleName?: pulumi.Input<string>;
}

/** What to make of an image, and for whom. */
export interface AmiArgs {
  /** The image, or its digest. */
  image: Image | pulumi.Input<string>;
  /** Region of AWS. Default: the provider's. */
  region?: pulumi.Input<string>;
  /**
   * How instances boot. Default: `uefi-preferred`, which takes any instance type of Nitro; the disk boots either way.
   */
  bootMode?: "uefi-preferred" | "uefi" | "legacy-bios";
  /** Whether instances have a NitroTPM. They then boot by UEFI only. Default: `false`. */
  tpm?: boolean;
  /** Size of the root volume in GiB. Default: as large as the image's disk. */
  volumeSize?: pulumi.Input<number>;
  /** Type of the root volume. Default: `gp3`. */
  volumeType?: pulumi.Input<string>;
  /** Whether to encrypt the snapshot. Default: as the account does. */
  encrypted?: pulumi.Input<boolean>;
  /** ARN of the KMS key to encrypt it with. Default: the account's own for EBS. */
  kmsKeyArn?: pulumi.Input<string>;
  /** Tags of the snapshot, the image and its copies. */
  tags?: pulumi.Input<{ [name: string]: pulumi.Input<string> }>;
  /** Other regions to copy the image to. */
  copyTo?: string[];
  /** Whom to share it with, beside the account that owns it. */
  shareWith?: {
    /** Ids of accounts. */
    accounts?: string[];
    /** ARNs of organizations. */
    organizations?: string[];
    /** ARNs of organizational units. */
    organizationalUnits?: string[];
  };
  /** When it is no longer shown to others: an RFC 3339 time. */
  deprecationTime?: pulumi.Input<string>;
  /**
   * Lets the disk take the way of an object of S3 and AWS's import (`aws.ebs.SnapshotImport`), for accounts or regions without the EBS
   * direct APIs. The whole disk is sent each time, compressed. Needs `@aws-sdk/client-s3` beside this package. Default: the EBS direct APIs,
   * by which only the blocks that have changed are sent.
   */
  import?: ImportArgs;
  /**
   * How the upload finds the account, where it is not the way of the `aws` provider that this component has. Of the stack's configuration
   * `aws:profile`, keys and `aws:assumeRoles` are taken over by themselves; of a provider of the program's own `profile` and keys are, its
   * `assumeRoles` and `endpoints` cannot be. The network's proxy and authorities are those of the
   * environment, as for AWS's other tools: `HTTPS_PROXY`, `NO_PROXY`, `AWS_CA_BUNDLE`.
   */
  connection?: {
    profile?: pulumi.Input<string>;
    credentials?: pulumi.Input<AwsCredentials>;
    assumeRole?: pulumi.Input<AssumedRole>;
    endpoints?: pulumi.Input<ServiceEndpoints>;
  };
  /** Changes what the underlying resources are made with. */
  transform?: {
    snapshot?: Transform<SnapshotArgs>;
    object?: Transform<DiskObjectArgs>;
    snapshotImport?: Transform<ebs.SnapshotImportArgs>;
    ami?: Transform<ec2.AmiArgs>;
    copy?: Transform<ec2.AmiCopyArgs>;
    launchPermission?: Transform<ec2.AmiLaunchPermissionArgs>;
  };
}

const ROOT_DEVICE = "/dev/xvda";

/**
 * An image of EC2 from an image of this package: its disk in a snapshot, registered as an AMI. All of it is the stack's own; a new digest
 * makes a new AMI, and the old one goes when nothing of the stack uses it any more.
 *
 * ```ts
 * const ami = new ukaws.Ami("web", { image });
 * const web = new aws.ec2.Instance("web", { ami: ami.id, instanceType: ami.fitting("t3.nano") });
 * ```
 */
export class Ami extends pulumi.ComponentResource {
  /** Id of the image: `ami-…`. */
  readonly id: pulumi.Output<string>;
  readonly arn: pulumi.Output<string>;
  /** Ids by region: here, and where it has been copied to. */
  readonly ids: { [region: string]: pulumi.Output<string> };
  /** The region that it was uploaded to. */
  readonly region: pulumi.Output<string>;
  /** The digest of the image that it was made of. */
  readonly digest: pulumi.Output<string>;
  /** Id of the snapshot that root volumes are made of. */
  readonly snapshotId: pulumi.Output<string>;
  /** The snapshot, unless it was imported. */
  readonly snapshot: Snapshot | undefined;
  /** What the snapshot was imported from, if it was. */
  readonly object: DiskObject | undefined;
  /** The snapshot, if it was imported. */
  readonly snapshotImport: ebs.SnapshotImport | undefined;
  readonly ami: ec2.Ami;
  readonly copies: { [region: string]: ec2.AmiCopy };

  readonly #demands: pulumi.Output<Demands>;

  constructor(name: string, args: AmiArgs, opts?: pulumi.ComponentResourceOptions) {
    super("unikernel:aws:Ami", name, {}, opts);
    const { bootMode = "uefi-preferred", tpm = false, transform = {}, tags } = args;
    const parent = { parent: this };
    const provider = this.getProvider("aws:ec2/ami:Ami") as Provider | undefined;
    this.region = pulumi.output(args.region ?? getRegionOutput({}, parent).region);
    this.digest = pulumi.output(digestOf(args.image));
    const architecture = architectureOf(args.image);
    this.#demands = architecture.apply((architecture) => ({ architecture, bootMode, tpm }));
    const description = pulumi.interpolate`unikernel ${this.digest}`;

    const making = { name, args, digest: this.digest, region: this.region, provider, parent };
    const root = args.import === undefined ? writtenSnapshot(making) : importedSnapshot(making, args.import);
    this.snapshotId = root.id;
    this.snapshot = root.snapshot;
    this.object = root.object;
    this.snapshotImport = root.snapshotImport;
    this.ami = new ec2.Ami(
      ...transformed<ec2.AmiArgs>(
        transform.ami,
        name,
        {
          // No `name`: Pulumi gives each replacement another, as AWS wants it.
          description,
          architecture,
          virtualizationType: "hvm",
          enaSupport: true,
          bootMode: tpm ? "uefi" : bootMode,
          imdsSupport: "v2.0",
          ...(tpm && { tpmSupport: "v2.0" }),
          rootDeviceName: ROOT_DEVICE,
          ebsBlockDevices: [
            {
              deviceName: ROOT_DEVICE,
              snapshotId: root.id,
              volumeSize: root.volumeSize,
              volumeType: args.volumeType ?? "gp3",
              deleteOnTermination: true,
            },
          ],
          region: this.region,
          ...given("deprecationTime", args.deprecationTime),
          ...given("tags", tags),
        },
        parent,
      ),
    );
    this.id = this.ami.id;
    this.arn = this.ami.arn;

    this.copies = {};
    this.ids = {};
    for (const region of args.copyTo ?? []) {
      this.copies[region] = new ec2.AmiCopy(
        ...transformed<ec2.AmiCopyArgs>(
          transform.copy,
          `${name}-${region}`,
          {
            description,
            sourceAmiId: this.ami.id,
            sourceAmiRegion: this.region,
            region,
            ...given("deprecationTime", args.deprecationTime),
            ...given("encrypted", args.encrypted),
            ...given("tags", tags),
          },
          parent,
        ),
      );
      this.ids[region] = this.copies[region].id;
    }
    this.#share(name, args, this.ami, this.region, "");
    for (const [region, copy] of Object.entries(this.copies)) this.#share(name, args, copy, region, `-${region}`);
    this.registerOutputs({ id: this.id, arn: this.arn, region: this.region, digest: this.digest });
  }

  /**
   * The instance type, once AWS has said that the image can run on it: architecture, firmware, devices. Otherwise the preview
   * fails with the reason.
   */
  fitting(instanceType: pulumi.Input<string>, least: pulumi.Input<Size> = {}): pulumi.Output<string> {
    const demands = pulumi.all([this.#demands, least]).apply(([demands, least]) => ({ ...demands, ...least }));
    return fittingInstanceType(instanceType, demands, this.region, this);
  }

  #share(
    name: string,
    { shareWith = {}, transform = {} }: AmiArgs,
    image: ec2.Ami | ec2.AmiCopy,
    region: pulumi.Input<string>,
    suffix: string,
  ): void {
    const { accounts = [], organizations = [], organizationalUnits = [] } = shareWith;
    const whom: [id: string, args: Partial<ec2.AmiLaunchPermissionArgs>][] = [
      ...accounts.map((id): [string, object] => [id, { accountId: id }]),
      ...organizations.map((arn): [string, object] => [lastPart(arn), { organizationArn: arn }]),
      ...organizationalUnits.map((arn): [string, object] => [lastPart(arn), { organizationalUnitArn: arn }]),
    ];
    for (const [id, permission] of whom) {
      new ec2.AmiLaunchPermission(
        ...transformed<ec2.AmiLaunchPermissionArgs>(
          transform.launchPermission,
          `${name}-${id}${suffix}`,
          { imageId: image.id, region, ...permission },
          { parent: this },
        ),
      );
    }
  }
}

/** Of a digest alone it is not known, but there is only one so far. */
function architectureOf(image: AmiArgs["image"]): pulumi.Output<string> {
  const given = pulumi.CustomResource.isInstance(image) && "architecture" in image ? image.architecture : "x86_64";
  return pulumi.output(given);
}

function lastPart(arn: string): string {
  return arn.split("/").at(-1) ?? arn;
}
