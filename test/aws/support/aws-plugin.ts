import type { EbsService } from "../../../provider/src/targets/aws/testing/ebs-service.js";
import { randomHex, StandInPlugin, type Kind, type Properties } from "../../support/stand-in-plugin.js";

const AMI_ID = /^ami-[0-9a-f]{17}$/;

/** A strict stand-in for the plugin of `@pulumi/aws`. */
export class AwsPlugin extends StandInPlugin {
  instanceType: Properties = {
    supportedArchitectures: ["x86_64"],
    hypervisor: "nitro",
    bootModes: ["uefi", "legacy-bios"],
  };
  protected readonly version = "7.48.0";
  protected readonly kinds: Record<string, Kind> = {
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

  constructor(readonly ebs: EbsService) {
    super();
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
