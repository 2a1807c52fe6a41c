import * as pulumi from "@pulumi/pulumi";
import { Provider } from "@pulumi/aws/provider";
import * as s3 from "@pulumi/aws/s3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MockedProgram, value } from "../cloud/testing/program.js";
import { Image } from "../hosts/dynamic/image.js";
import { Instance } from "../hosts/instance.js";
import {
  Ami,
  importPolicy,
  importRole,
  target,
  uploadPolicy,
  userData,
  userDataBase64,
  type Instance as AwsInstance,
  type PolicyDocument,
} from "./index.js";
import { misfit, type Demands, type InstanceTypeFacts } from "./instance-type.js";
import { renderUserData } from "./user-data.js";

const DIGEST = `sha256:${"ab".repeat(32)}`;

let program: MockedProgram;

/** Of the t3 family, as AWS describes it. */
const T3: InstanceTypeFacts = {
  supportedArchitectures: ["x86_64"],
  hypervisor: "nitro",
  bareMetal: false,
  bootModes: ["legacy-bios", "uefi"],
  nitroTpmSupport: "supported",
  enaSupport: "required",
  memorySize: 512,
  defaultVcpus: 2,
};

beforeEach(async () => {
  program = await new MockedProgram(
    {
      "pulumi-nodejs:dynamic/unikernel:Image": { digest: DIGEST, architecture: "x86_64" },
      "pulumi-nodejs:dynamic/unikernel/aws:Snapshot": { snapshotId: "snap-1", volumeSize: 1, blocks: "" },
      "pulumi-nodejs:dynamic/unikernel/aws:DiskObject": { key: "web-1/abab.vmdk", size: 1, name: "web-1" },
      "aws:ebs/snapshotImport:SnapshotImport": { volumeSize: 3 },
      "aws:ec2/instance:Instance": { publicIp: "203.0.113.7", privateIp: "10.0.0.7" },
    },
    {
      "aws:index/getRegion:getRegion": { region: "eu-central-1", name: "eu-central-1" },
      "aws:ec2/getInstanceType:getInstanceType": T3,
      "aws:ec2/getSubnet:getSubnet": { vpcId: "vpc-of-the-subnet" },
    },
  ).begin();
});

// What a program began goes on after its test.
afterEach(() => pulumi.runtime.disconnect());

function image(): Image {
  return new Image("web", { source: { container: "web:1.2" } });
}

describe("an AMI", () => {
  test("is made of a snapshot of the image, with what the guest needs of Nitro", async () => {
    const ami = new Ami("web", { image: image(), tags: { team: "shop" } });
    expect(await value(ami.id)).toBe("web-id");

    const [snapshot] = await program.resources("pulumi-nodejs:dynamic/unikernel/aws:Snapshot");
    expect(snapshot?.inputs).toMatchObject({ image: DIGEST, region: "eu-central-1", tags: { team: "shop" } });
    expect(snapshot?.inputs["__provider"]).toBe(
      'exports.handler = () => require("pulumi-unikernel/dynamic/aws-snapshot");',
    );
    const [registration] = await program.resources("aws:ec2/ami:Ami");
    expect(registration?.inputs).toEqual({
      architecture: "x86_64",
      bootMode: "uefi-preferred",
      description: `unikernel ${DIGEST}`,
      ebsBlockDevices: [
        { deleteOnTermination: true, deviceName: "/dev/xvda", snapshotId: "snap-1", volumeSize: 1, volumeType: "gp3" },
      ],
      enaSupport: true,
      imdsSupport: "v2.0",
      region: "eu-central-1",
      rootDeviceName: "/dev/xvda",
      tags: { team: "shop" },
      virtualizationType: "hvm",
    });
  });

  test("may be imported from a bucket, the real one or its name", async () => {
    const bucket = new s3.Bucket("staging", { bucket: "images" });
    const kmsKeyArn = "arn:aws:kms:eu-central-1:1:key/1";
    const ami = new Ami("web", {
      image: image(),
      import: { bucket, roleName: "importer" },
      kmsKeyArn,
      tags: { a: "b" },
    });
    expect(await value(ami.snapshotId)).toBe("web-id");

    const [object] = await program.resources("pulumi-nodejs:dynamic/unikernel/aws:DiskObject");
    expect(object?.inputs).toMatchObject({ image: DIGEST, region: "eu-central-1", bucket: "images" });
    expect(object?.inputs).not.toHaveProperty("keep");
    expect(object?.inputs["__provider"]).toBe(
      'exports.handler = () => require("pulumi-unikernel/dynamic/aws-object");',
    );
    const [imported] = await program.resources("aws:ebs/snapshotImport:SnapshotImport");
    expect(imported?.inputs).toEqual({
      description: `unikernel ${DIGEST}`,
      diskContainer: { format: "VMDK", userBucket: { s3Bucket: "images", s3Key: "web-1/abab.vmdk" } },
      encrypted: true,
      kmsKeyId: kmsKeyArn,
      region: "eu-central-1",
      roleName: "importer",
      tags: { Name: "web", a: "b", "unikernel:image": DIGEST },
    });
    const [registration] = await program.resources("aws:ec2/ami:Ami");
    expect(registration?.inputs["ebsBlockDevices"]).toMatchObject([{ snapshotId: "web-id", volumeSize: 3 }]);
    await program.resources("pulumi-nodejs:dynamic/unikernel/aws:Snapshot", 0);
    expect(ami.snapshot).toBeUndefined();
  });

  test("that is imported has a larger volume when asked, and can be transformed", async () => {
    new Ami("web", {
      image: image(),
      import: { bucket: "images", keepObject: false },
      volumeSize: 8,
      transform: { object: { name: "mine" }, snapshotImport: { storageTier: "standard" } },
    });
    const [object] = await program.resources("pulumi-nodejs:dynamic/unikernel/aws:DiskObject");
    expect(object?.inputs).toMatchObject({ name: "mine", keep: false });
    const [imported] = await program.resources("aws:ebs/snapshotImport:SnapshotImport");
    expect(imported?.inputs).toMatchObject({ storageTier: "standard" });
    const [registration] = await program.resources("aws:ec2/ami:Ami");
    expect(registration?.inputs["ebsBlockDevices"]).toMatchObject([{ volumeSize: 8 }]);
  });

  test("with a TPM boots by UEFI", async () => {
    new Ami("web", { image: image(), tpm: true });
    const [registration] = await program.resources("aws:ec2/ami:Ami");
    expect(registration?.inputs).toMatchObject({ bootMode: "uefi", tpmSupport: "v2.0" });
  });

  test("is copied, shared and deprecated as asked", async () => {
    const deprecationTime = "2027-01-01T00:00:00Z";
    const organization = "arn:aws:organizations::123456789012:organization/o-abc";
    const ami = new Ami("web", {
      image: image(),
      copyTo: ["us-east-1"],
      shareWith: { accounts: ["210987654321"], organizations: [organization] },
      deprecationTime,
    });
    const [copy] = await program.resources("aws:ec2/amiCopy:AmiCopy");
    expect(copy?.inputs).toMatchObject({
      sourceAmiId: "web-id",
      sourceAmiRegion: "eu-central-1",
      region: "us-east-1",
      deprecationTime,
    });
    expect(await value(ami.ids["us-east-1"]!)).toBe("web-us-east-1-id");
    const permissions = await program.resources("aws:ec2/amiLaunchPermission:AmiLaunchPermission", 4);
    expect(permissions.map(({ inputs }) => inputs)).toEqual(
      expect.arrayContaining([
        { imageId: "web-id", region: "eu-central-1", accountId: "210987654321" },
        { imageId: "web-id", region: "eu-central-1", organizationArn: organization },
        { imageId: "web-us-east-1-id", region: "us-east-1", accountId: "210987654321" },
        { imageId: "web-us-east-1-id", region: "us-east-1", organizationArn: organization },
      ]),
    );
  });

  test("can be transformed, by inputs and by functions", async () => {
    new Ami("web", {
      image: image(),
      transform: {
        snapshot: { description: "mine" },
        ami: (args, opts, name) => {
          args.name = `${name}-fixed`;
          opts.protect = false;
        },
      },
    });
    const [snapshot] = await program.resources("pulumi-nodejs:dynamic/unikernel/aws:Snapshot");
    expect(snapshot?.inputs).toMatchObject({ description: "mine", image: DIGEST });
    const [registration] = await program.resources("aws:ec2/ami:Ami");
    expect(registration?.inputs).toMatchObject({ name: "web-fixed", architecture: "x86_64" });
  });

  test("goes through the provider that it is given, and hands its keys to the upload as a secret", async () => {
    const provider = new Provider("other", {
      region: "eu-west-1",
      profile: "other",
      accessKey: "AKIDEXAMPLE",
      secretKey: "hush",
    });
    new Ami("web", { image: image() }, { provider });
    const [snapshot] = await program.resources("pulumi-nodejs:dynamic/unikernel/aws:Snapshot");
    expect(snapshot?.inputs["profile"]).toBe("other");
    // Pulumi's mark of a secret.
    const { value: context, ...mark } = snapshot!.inputs["__context"] as { value: { credentials: object } };
    expect(Object.values(mark)).toEqual(["1b47061264138c4ac30d75fd1eb44270"]);
    expect(context.credentials).toEqual({ accessKeyId: "AKIDEXAMPLE", secretAccessKey: "hush" });
    const [registration] = await program.resources("aws:ec2/ami:Ami");
    expect(registration?.provider).toMatch(/pulumi:providers:aws::other::/);
  });
});

describe("an instance type", () => {
  const demands: Demands = { architecture: "x86_64", bootMode: "uefi-preferred", tpm: false };
  test.each<[string, InstanceTypeFacts, Partial<Demands>, RegExp | undefined]>([
    ["of Nitro fits", T3, {}, undefined],
    ["of which AWS says nothing is no worse for it", {}, { tpm: true, memory: 1 }, undefined],
    [
      "of another architecture",
      { ...T3, supportedArchitectures: ["arm64"] },
      {},
      /^it has arm64 processors, and the image is for x86_64\./,
    ],
    ["of Xen", { ...T3, hypervisor: "xen" }, {}, /^it is of a generation before Nitro/],
    ["without ENA", { ...T3, enaSupport: "unsupported" }, {}, /^it is of a generation before Nitro/],
    ["without UEFI", { ...T3, bootModes: ["legacy-bios"] }, { bootMode: "uefi" }, /^it boots by legacy-bios only/],
    ["without UEFI, for a TPM", { ...T3, bootModes: ["legacy-bios"] }, { tpm: true }, /the image's boot mode is uefi/],
    ["without BIOS", { ...T3, bootModes: ["uefi"] }, { bootMode: "legacy-bios" }, /^it boots by uefi only/],
    ["without a TPM", { ...T3, nitroTpmSupport: "unsupported" }, { tpm: true }, /^it has no NitroTPM/],
    ["with too little memory", T3, { memory: 2 ** 30 }, /^it has 512 MiB of memory, and 1024 MiB are asked for/],
    ["with too few processors", T3, { cpus: 4 }, /^it has 2 processors, and 4 are asked for/],
  ])("%s", (_what, facts, change, reason) => {
    const found = misfit(facts, { ...demands, ...change });
    if (reason === undefined) expect(found).toBeUndefined();
    else expect(found).toMatch(reason);
  });
});

describe("an instance with a target", () => {
  function web(change: object = {}, options: object = {}): AwsInstance {
    return new Instance("web", {
      image: image(),
      ports: [80, { guest: 53, protocol: "udp" }],
      env: { GREETING: pulumi.secret("hush") },
      target: target({ instanceType: "t3.nano", ...options }),
      ...change,
    });
  }

  test("is an instance of EC2, with a security group for exactly its ports", async () => {
    const { url, address } = web();
    expect(await value(url)).toBe("http://203.0.113.7:80");
    expect(await value(address)).toBe("203.0.113.7:80");

    const [group] = await program.resources("aws:ec2/securityGroup:SecurityGroup");
    const everybody = { cidrBlocks: ["0.0.0.0/0"], ipv6CidrBlocks: ["::/0"] };
    expect(group?.inputs["ingress"]).toEqual([
      { protocol: "tcp", fromPort: 80, toPort: 80, ...everybody },
      { protocol: "udp", fromPort: 53, toPort: 53, ...everybody },
    ]);
    const [instance] = await program.resources("aws:ec2/instance:Instance");
    expect(instance?.inputs).toMatchObject({
      ami: "web-id",
      instanceType: "t3.nano",
      vpcSecurityGroupIds: ["web-id"],
      userDataReplaceOnChange: true,
      metadataOptions: { httpEndpoint: "enabled", httpTokens: "required", httpPutResponseHopLimit: 1 },
      tags: { Name: "web" },
    });
    expect(program.registered.some(({ type }) => type.endsWith("unikernel:Instance"))).toBe(false);
  });

  test("lets in whom it is told to, in the VPC of its subnet", async () => {
    web({}, { allowFrom: ["10.0.0.0/8", "2001:db8::/32"], subnetId: "subnet-1" });
    const [group] = await program.resources("aws:ec2/securityGroup:SecurityGroup");
    expect(group?.inputs).toMatchObject({ vpcId: "vpc-of-the-subnet" });
    expect((group!.inputs["ingress"] as object[])[0]).toMatchObject({
      cidrBlocks: ["10.0.0.0/8"],
      ipv6CidrBlocks: ["2001:db8::/32"],
    });
  });

  test("shares an AMI that there is", async () => {
    const ami = new Ami("shared", { image: image() });
    web({}, { ami });
    const [instance] = await program.resources("aws:ec2/instance:Instance");
    expect(instance?.inputs["ami"]).toBe("shared-id");
    await program.resources("aws:ec2/ami:Ami", 1);
  });

  test("keeps a secret in its user data a secret", async () => {
    const { instance } = web();
    expect(await value(instance.userData)).toBe('{"process":{"env":["GREETING=hush"]}}');
    expect(await pulumi.isSecret(instance.userData)).toBe(true);
  });

  test("without one stays on this machine, as the type that it has always been", async () => {
    const { url } = new Instance("web", { image: image(), ports: [80] });
    expect(pulumi.Output.isInstance(url)).toBe(true);
    const [instance] = await program.resources("pulumi-nodejs:dynamic/unikernel:Instance");
    expect(instance?.inputs).toMatchObject({ image: DIGEST, ports: [80] });
    expect(instance?.inputs).not.toHaveProperty("target");
  });
});

describe("user data", () => {
  test("has the shape of the OCI runtime specification's config.json", async () => {
    const text = await value(
      userData({ env: { A: "1", B: pulumi.output("2") }, command: ["/bin/x", "-v"], hostname: "web" }),
    );
    expect(JSON.parse(text)).toEqual({ process: { env: ["A=1", "B=2"], args: ["/bin/x", "-v"] }, hostname: "web" });
    expect(await value(userData({}))).toBe("{}");
  });

  test("carries files, and a secret in one makes a secret of the whole", async () => {
    const file = { content: pulumi.secret("hush"), permissions: "0600" };
    const text = userData({ files: { "/etc/app/key": file, "/etc/motd": "hello" } });
    expect(JSON.parse(await value(text))).toEqual({
      files: [
        { path: "/etc/app/key", content: "hush", permissions: "0600" },
        { path: "/etc/motd", content: "hello" },
      ],
    });
    expect(await pulumi.isSecret(text)).toBe(true);
  });

  test("comes in base64 for launch templates", async () => {
    const encoded = await value(userDataBase64({ env: { A: "ä" } }));
    expect(Buffer.from(encoded, "base64").toString()).toBe('{"process":{"env":["A=ä"]}}');
  });

  test("of more than 16 KiB is refused", () => {
    const room = 16 * 1024 - '{"process":{"env":["LARGE="]}}'.length;
    expect(renderUserData({ env: { LARGE: "x".repeat(room) } })).toHaveLength(16 * 1024);
    expect(() => renderUserData({ env: { LARGE: "x".repeat(room + 1) } })).toThrow(
      /^The user data has 16385 bytes, and EC2 takes 16384\./,
    );
  });
});

describe("the policies", () => {
  const bucket = "my-images";
  const both: [string, PolicyDocument][] = [
    ["of an upload", uploadPolicy({ region: "eu-central-1" })],
    ["of an import", importPolicy({ region: "eu-central-1", bucket })],
  ];

  test.each(both)("%s lets nobody delete snapshots that this package did not make", (_whose, { Statement }) => {
    const deleting = Statement.filter(({ Action }) => Action.includes("ec2:DeleteSnapshot"));
    expect(deleting).toHaveLength(1);
    expect(deleting[0]).toMatchObject({
      Resource: "arn:aws:ec2:eu-central-1::snapshot/*",
      Condition: { Null: { "aws:ResourceTag/unikernel:image": "false" } },
    });
    expect(Statement.flatMap(({ Action }) => Action).some((action) => action.includes("*"))).toBe(false);
  });

  test("have the key's permissions only where a key is named", () => {
    const kmsKeyArn = "arn:aws:kms:eu-central-1:1:key/1";
    for (const policyOf of [uploadPolicy, (args: object) => importRole({ bucket, ...args }).policy]) {
      expect(JSON.stringify(policyOf({}))).not.toContain("kms:");
      expect(JSON.stringify(policyOf({ kmsKeyArn }))).toContain("kms:CreateGrant");
    }
    const { Statement } = importPolicy({ bucket, kmsKeyArn });
    const ofKey = Statement.filter(({ Action }) => Action.some((action) => action.startsWith("kms:")));
    expect(ofKey).toMatchObject([{ Action: ["kms:Decrypt", "kms:GenerateDataKey"], Resource: kmsKeyArn }]);
    expect(JSON.stringify(importPolicy({ bucket }))).not.toContain("kms:");
  });

  test("allow copies, and to delete their snapshots, in the regions named and in no others", () => {
    const image = (region: string): string => `arn:aws:ec2:${region}::image/*`;
    const snapshot = (region: string): string => `arn:aws:ec2:${region}::snapshot/*`;
    for (const policyOf of [uploadPolicy, (args: object) => importPolicy({ bucket, ...args })]) {
      const { Statement } = policyOf({ region: "eu-central-1", copyTo: ["eu-west-1", "us-east-1"] });
      const allowed = (action: string, arn: string): boolean =>
        Statement.some(
          ({ Action, Resource, Condition }) =>
            Condition === undefined && Action.includes(action) && [Resource].flat().includes(arn),
        );
      for (const region of ["eu-west-1", "us-east-1"]) {
        for (const action of ["ec2:CopyImage", "ec2:CreateTags", "ec2:DeregisterImage", "ec2:ModifyImageAttribute"])
          expect(allowed(action, image(region)), `${action} in ${region}`).toBe(true);
        for (const action of ["ec2:CopyImage", "ec2:DeleteSnapshot"])
          expect(allowed(action, snapshot(region)), `${action} in ${region}`).toBe(true);
      }
      expect(allowed("ec2:CopyImage", image("eu-central-1")), "the image that is copied").toBe(true);
      expect(allowed("ec2:CopyImage", snapshot("eu-central-1"))).toBe(true);
      expect(allowed("ec2:DeleteSnapshot", snapshot("eu-central-1"))).toBe(false);
      expect(JSON.stringify(policyOf({ region: "eu-central-1" }))).not.toContain("ec2:CopyImage");
    }
  });

  test("of an import reach into one bucket, and AWS's import alone takes on its role", () => {
    const { assumeRolePolicy, policy } = importRole({ bucket });
    for (const { Statement } of [importPolicy({ bucket }), policy]) {
      const inS3 = Statement.filter(({ Action }) => Action.some((action) => action.startsWith("s3:")));
      expect(inS3.length).toBeGreaterThan(0);
      for (const { Resource, Action } of inS3) {
        expect(Action.every((action) => action.startsWith("s3:"))).toBe(true);
        for (const arn of [Resource].flat()) expect(arn).toMatch(/^arn:aws:s3:::my-images(\/\*)?$/);
      }
    }
    expect(assumeRolePolicy.Statement).toEqual([
      {
        Effect: "Allow",
        Principal: { Service: "vmie.amazonaws.com" },
        Action: "sts:AssumeRole",
        Condition: { StringEquals: { "sts:ExternalId": "vmimport" } },
      },
    ]);
  });
});
