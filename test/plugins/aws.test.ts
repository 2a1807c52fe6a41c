import { createRequire } from "node:module";
import * as path from "node:path";
import type * as awsModule from "@pulumi/aws";
import { afterEach, beforeEach, expect, test } from "vitest";
import type * as ukawsModule from "pulumi-unikernel/aws";
import { EbsService } from "../../provider/src/targets/aws/testing/ebs-service.js";
import { Moto } from "../aws/support/moto.js";
import { SERVER } from "../support/guests.js";
import { Machine } from "../support/machine.js";
import { TestStack, unikernel } from "../support/stack.js";
import { Ec2 } from "./support/ec2.js";
import { live, type Life } from "./support/life.js";
import { pluginFolder, STAY_HERE } from "./support/plugin.js";

const load = createRequire(import.meta.url);
const ukaws = load("pulumi-unikernel/aws") as typeof ukawsModule;
const aws = load("@pulumi/aws") as typeof awsModule;

const AMI = "aws:ec2/ami:Ami";
const COPY = "aws:ec2/amiCopy:AmiCopy";
const PERMISSION = "aws:ec2/amiLaunchPermission:AmiLaunchPermission";
const GROUP = "aws:ec2/securityGroup:SecurityGroup";
const INSTANCE = "aws:ec2/instance:Instance";

const region = "eu-central-1";

let machine: Machine;
let stack: TestStack;
let moto: Moto;
let ebs: EbsService;
let ec2: Ec2;

beforeEach(async () => {
  machine = new Machine({ accelerator: false });
  moto = await Moto.start();
  ebs = await new EbsService().start();
  ec2 = await new Ec2(moto, ebs).start();
  stack = new TestStack(machine);
  stack.kernel(...SERVER);
  stack.plugins = { aws: pluginFolder("aws") };
  Object.assign(stack.env, STAY_HERE, {
    // Those of the program's provider are known only while the program runs.
    AWS_ACCESS_KEY_ID: ebs.key.accessKeyId,
    AWS_SECRET_ACCESS_KEY: ebs.key.secretAccessKey,
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_CONFIG_FILE: path.join(machine.folder, "none"),
    AWS_SHARED_CREDENTIALS_FILE: path.join(machine.folder, "none"),
  });
  stack.addData();
});
afterEach(() => {
  for (const { pid } of stack.processes()) process.kill(pid, "SIGKILL");
  ec2.stop();
  ebs.stop();
  moto.stop();
  machine.dispose();
});

/** What all of the stacks go through. */
function life(): Omit<Life, "types"> {
  return {
    asked: ec2.asked,
    change: () => stack.changeData(),
    expectNoLeftovers: () => expect(ebs.snapshots.size, "the former snapshot is gone").toBe(1),
    expectNothing: () => {
      expect(ebs.snapshots.size).toBe(0);
      expect(ec2.images.size).toBe(0);
    },
  };
}

/** The provider of the whole program: whatever it would call is here. */
function provider(): awsModule.Provider {
  return new aws.Provider("aws", {
    region,
    accessKey: ebs.key.accessKeyId,
    secretKey: ebs.key.secretAccessKey,
    skipCredentialsValidation: true,
    skipRequestingAccountId: true,
    skipMetadataApiCheck: true,
    maxRetries: 1,
    endpoints: [{ ec2: ec2.endpoint }],
  });
}

const endpoints = (): ukawsModule.ServiceEndpoints => ({
  ebs: ebs.endpoint,
  ec2: ebs.endpoint,
  sts: ebs.endpoint,
});
const image = (): InstanceType<typeof unikernel.Image> =>
  new unikernel.Image("image", { source: { directory: "./rootfs", command: ["/bin/server"] } });

test("an AMI, a copy of it, whom it is shared with, and an instance", async () => {
  stack.program = async () => {
    const opts = { provider: provider() };
    const ami = new ukaws.Ami(
      "web",
      {
        image: image(),
        connection: { endpoints: endpoints() },
        copyTo: ["eu-west-1"],
        shareWith: { accounts: ["210987654321"] },
        tags: { team: "shop" },
      },
      opts,
    );
    const instance = new aws.ec2.Instance(
      "web",
      {
        ami: ami.id,
        instanceType: ami.fitting("t3.nano"),
        userData: ukaws.userData({ env: { GREETING: "hello" } }),
        userDataReplaceOnChange: true,
      },
      opts,
    );
    return { ami: ami.id, copy: ami.ids["eu-west-1"], instance: instance.id };
  };
  await live(stack, { ...life(), types: [AMI, COPY, PERMISSION, PERMISSION, INSTANCE] });
});

test("an instance the short way, in a subnet", async () => {
  const subnetId = await ec2.subnet(region);
  expect(subnetId).toMatch(/^subnet-/);
  stack.program = async () => {
    const instance = new unikernel.Instance(
      "web",
      {
        image: image(),
        ports: [80, { guest: 53, protocol: "udp" }],
        env: { GREETING: "hello" },
        target: ukaws.target({ instanceType: "t3.nano", subnetId, image: { connection: { endpoints: endpoints() } } }),
      },
      { providers: { aws: provider() } },
    );
    return { url: instance.url, ami: instance.ami.id };
  };
  await live(stack, { ...life(), types: [AMI, GROUP, INSTANCE], lasting: [GROUP] });
});

test("an AMI of an encrypted snapshot, with a TPM, of which AWS tells more than it was told", async () => {
  stack.program = async () => {
    const how = { image: image(), encrypted: true, tpm: true, deprecationTime: "2030-01-01T12:34:56Z" };
    new ukaws.Ami("web", { ...how, connection: { endpoints: endpoints() } }, { provider: provider() });
    return {};
  };
  await live(stack, { ...life(), types: [AMI] });
});
