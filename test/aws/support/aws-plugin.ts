import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { ACCOUNT, type EbsService } from "../../../provider/src/targets/aws/testing/ebs-service.js";
import type { S3Service } from "../../../provider/src/targets/aws/testing/s3-service.js";
import { randomHex, StandInPlugin, type Kind, type Properties } from "../../support/stand-in-plugin.js";

const AMI_ID = /^ami-[0-9a-f]{17}$/;

const BLOCK_SIZE = 512 * 1024;
const BLOCKS_PER_GIB = 2048;

interface DiskContainer {
  format: string;
  userBucket: { s3Bucket: string; s3Key: string };
}

/** The blocks of a disk that are not all zeros. */
function blocksOf(disk: Buffer): Map<number, Buffer> {
  const blocks = new Map<number, Buffer>();
  for (let at = 0; at < disk.length; at += BLOCK_SIZE) {
    const block = Buffer.alloc(BLOCK_SIZE);
    disk.copy(block, 0, at, at + BLOCK_SIZE);
    if (block.some((byte) => byte !== 0)) blocks.set(at / BLOCK_SIZE, block);
  }
  return blocks;
}

/** A strict stand-in for the plugin of `@pulumi/aws`. */
export class AwsPlugin extends StandInPlugin {
  instanceType: Properties = {
    supportedArchitectures: ["x86_64"],
    hypervisor: "nitro",
    bootModes: ["uefi", "legacy-bios"],
  };
  protected readonly version = "7.48.0";
  /** The roles by which AWS may read from buckets. */
  readonly importRoles = new Set(["vmimport"]);
  protected readonly kinds: Record<string, Kind> = {
    "aws:ebs/snapshotImport:SnapshotImport": {
      id: () => `snap-${randomHex(17)}`,
      required: ["diskContainer"],
      optional: ["description", "encrypted", "kmsKeyId", "roleName", "region", "tags"],
      forceNew: ["diskContainer", "description", "encrypted", "kmsKeyId", "roleName", "region"],
      create: ({ diskContainer, roleName = "vmimport", encrypted = false, kmsKeyId, tags = {} }, id) => {
        if (!this.importRoles.has(roleName as string))
          throw new Error(
            `InvalidParameter: The service role ${String(roleName)} provided does not exist or does not have sufficient permissions`,
          );
        if (kmsKeyId !== undefined && encrypted !== true)
          throw new Error("InvalidParameter: KmsKeyId without Encrypted");
        const blocks = this.#import(diskContainer as DiskContainer);
        const volumeSize = Math.ceil((Math.max(...blocks.keys()) + 1) / BLOCKS_PER_GIB);
        this.ebs.snapshots.set(id, {
          ...{
            id,
            status: "completed",
            owner: ACCOUNT,
            volumeSize,
            encrypted: encrypted as boolean,
            description: "",
            request: "",
            blocks,
          },
          tags: new Map(Object.entries(tags as Record<string, string>)),
        });
        return { arn: `arn:aws:ec2:eu-central-1::snapshot/${id}`, volumeSize };
      },
      delete: (id) => {
        const usedBy = this.ebs.snapshots.get(id)?.usedBy;
        if (usedBy !== undefined) throw new Error(`InvalidSnapshot.InUse: The snapshot ${id} is in use by ${usedBy}`);
        this.ebs.snapshots.delete(id);
      },
    },
    "aws:ec2/ami:Ami": {
      id: () => `ami-${randomHex(17)}`,
      required: ["architecture", "rootDeviceName", "virtualizationType", "ebsBlockDevices", "name"],
      optional: [
        "description",
        "enaSupport",
        "bootMode",
        "imdsSupport",
        "tpmSupport",
        "deprecationTime",
        "region",
        "tags",
      ],
      forceNew: [
        "architecture",
        "rootDeviceName",
        "ebsBlockDevices",
        "name",
        "bootMode",
        "imdsSupport",
        "tpmSupport",
        "enaSupport",
      ],
      autoNamed: true,
      create: (inputs, id) => {
        const { rootDeviceName, ebsBlockDevices, name, bootMode, tpmSupport } = inputs;
        const devices = ebsBlockDevices as { deviceName: string; snapshotId: string; volumeSize: number }[];
        const root = devices.find(({ deviceName }) => deviceName === rootDeviceName);
        const snapshot = this.ebs.snapshots.get(root?.snapshotId ?? "");
        if (!snapshot) throw new Error(`InvalidSnapshot.NotFound: The snapshot '${root?.snapshotId}' does not exist.`);
        if (snapshot.status !== "completed") throw new Error(`InvalidSnapshot: ${snapshot.id} is ${snapshot.status}`);
        if ((root?.volumeSize ?? 0) < snapshot.volumeSize)
          throw new Error("InvalidBlockDeviceMapping: smaller than the snapshot");
        if (tpmSupport !== undefined && bootMode !== "uefi")
          throw new Error("InvalidParameterCombination: tpmSupport takes bootMode uefi");
        if (this.all("aws:ec2/ami:Ami").some((ami) => ami["name"] === name))
          throw new Error(`InvalidAMIName.Duplicate: ${String(name)}`);
        snapshot.usedBy = id;
        return { arn: `arn:aws:ec2:eu-central-1::image/${id}`, rootSnapshotId: snapshot.id };
      },
      delete: (id) => {
        for (const snapshot of this.ebs.snapshots.values()) if (snapshot.usedBy === id) delete snapshot.usedBy;
      },
    },
    "aws:ec2/securityGroup:SecurityGroup": {
      id: () => `sg-${randomHex(17)}`,
      required: ["ingress", "egress"],
      optional: ["description", "vpcId", "name", "revokeRulesOnDelete", "region", "tags"],
      forceNew: ["description", "vpcId", "name"],
      autoNamed: true,
      create: () => ({}),
    },
    "aws:ec2/instance:Instance": {
      id: () => `i-${randomHex(17)}`,
      required: ["ami", "instanceType"],
      optional: [
        ...["vpcSecurityGroupIds", "subnetId", "associatePublicIpAddress", "userData", "userDataReplaceOnChange"],
        ...["metadataOptions", "region", "tags", "getPasswordData", "sourceDestCheck"],
      ],
      forceNew: ["ami", "subnetId", "userData"],
      create: (inputs) => {
        if (!AMI_ID.test(inputs["ami"] as string)) throw new Error(`InvalidAMIID.Malformed: ${String(inputs["ami"])}`);
        if (!this.resources.has(inputs["ami"] as string))
          throw new Error(`InvalidAMIID.NotFound: ${String(inputs["ami"])}`);
        for (const id of inputs["vpcSecurityGroupIds"] as string[]) {
          if (!this.resources.has(id)) throw new Error(`InvalidGroup.NotFound: ${id}`);
        }
        return { publicIp: "203.0.113.7", privateIp: "10.0.0.7" };
      },
    },
  };

  /** @param s3 - Where snapshots are imported from. */
  constructor(
    readonly ebs: EbsService,
    readonly s3?: S3Service,
  ) {
    super();
  }

  /** Takes a disk as AWS's import does. QEMU says what is in it. */
  #import({ format, userBucket: { s3Bucket, s3Key } }: DiskContainer): Map<number, Buffer> {
    const object = this.s3?.objects.get(`${s3Bucket}/${s3Key}`);
    if (object === undefined) throw new Error(`InvalidParameter: ${s3Bucket}/${s3Key} was not found`);
    if (format !== "VMDK") throw new Error(`ClientError: Disk validation failed [Unsupported format ${format}]`);
    const folder = mkdtempSync(path.join(os.tmpdir(), "unikernel-import-"));
    try {
      const [file, raw] = [path.join(folder, "disk.vmdk"), path.join(folder, "disk.raw")];
      writeFileSync(file, object.content);
      if (!/createType="streamOptimized"/.test(object.content.subarray(0, 8192).toString("latin1")))
        throw new Error("ClientError: Disk validation failed [Unsupported VMDK File Format]");
      execFileSync("qemu-img", ["convert", "-f", "vmdk", "-O", "raw", file, raw], { stdio: "pipe" });
      return blocksOf(readFileSync(raw));
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  protected invoke(token: string): Properties {
    switch (token) {
      case "aws:index/getRegion:getRegion":
        return { region: "eu-central-1", name: "eu-central-1", id: "eu-central-1" };
      case "aws:ec2/getInstanceType:getInstanceType":
        return this.instanceType;
      default:
        throw new Error(`the stand-in for AWS does not know ${token}`);
    }
  }
}
