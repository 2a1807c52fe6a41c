import { appendFileSync } from "node:fs";
import { createRequire } from "node:module";
import * as path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type * as awsModule from "@pulumi/aws/provider.js";
import type * as ukawsModule from "pulumi-unikernel/aws";
import { EbsService } from "../../provider/src/targets/aws/testing/ebs-service.js";
import { SERVER } from "../support/guests.js";
import { Machine } from "../support/machine.js";
import { failureOf, OperationFailed, TestStack, unikernel } from "../support/stack.js";
import { AwsPlugin } from "./support/aws-plugin.js";
import { awsEnvironment } from "./support/environment.js";

const load = createRequire(import.meta.url);
const ukaws = load("pulumi-unikernel/aws") as typeof ukawsModule;
const aws = load("@pulumi/aws/provider") as typeof awsModule;

const AMI = "aws:ec2/ami:Ami";
const INSTANCE = "aws:ec2/instance:Instance";

let machine: Machine;
let stack: TestStack;
let ebs: EbsService;
let plugin: AwsPlugin;

beforeEach(async () => {
  machine = new Machine();
  ebs = await new EbsService().start();
  plugin = await new AwsPlugin(ebs).start();
  stack = new TestStack(machine);
  stack.kernel(...SERVER);
  Object.assign(stack.env, awsEnvironment(machine, plugin, ebs.key));
  stack.addData();
  stack.program = web();
});
afterEach(() => {
  for (const { pid } of stack.processes()) process.kill(pid, "SIGKILL");
  plugin.stop();
  ebs.stop();
  machine.dispose();
});

interface Change {
  instance?: object;
  image?: object;
  /** Options of the instance. */
  opts?: () => object;
}

/** A program with an image and an instance of it on EC2. */
function web(change: Change = {}, name = "web"): () => Promise<Record<string, unknown>> {
  return async () => {
    const image = new unikernel.Image(`${name}-image`, { source: { directory: "./rootfs", command: ["/bin/server"] } });
    const endpoints = { ebs: ebs.endpoint, ec2: ebs.endpoint, sts: ebs.endpoint };
    const args = {
      image,
      ports: [80],
      env: { GREETING: "hello" },
      target: ukaws.target({ instanceType: "t3.nano", image: { connection: { endpoints }, ...change.image } }),
      ...change.instance,
    };
    const instance = new unikernel.Instance(name, args, change.opts?.());
    return { url: instance.url, digest: image.digest, snapshot: instance.ami.snapshotId };
  };
}

/** The snapshots that AWS keeps. */
const snapshots = (): string[] => [...ebs.snapshots.keys()];

test("a stack's life on AWS", async () => {
  await stack.preview();
  expect(ebs.calls, "a preview asks nothing of EBS").toEqual([]);
  expect(plugin.asked).toEqual([]);

  const first = await stack.up();
  expect(first.outputs["url"]).toBe("http://203.0.113.7:80");
  expect(snapshots()).toEqual([first.outputs["snapshot"]]);
  expect(plugin.all(AMI)).toMatchObject([{ rootSnapshotId: first.outputs["snapshot"], bootMode: "uefi-preferred" }]);
  expect(plugin.all(INSTANCE)).toMatchObject([{ userData: '{"process":{"env":["GREETING=hello"]}}' }]);
  expect(first.output, "what the SDK says of Node.js").not.toContain("NodeVersionSupportWarning");
  expect(first.output).toMatch(
    /uploading to AWS: \d+ of \d+ blocks, \d+ need not be sent, \d+\.\d MiB sent, \d+\.\d MiB\/s/,
  );

  plugin.asked.length = 0;
  const [calls, sent] = [ebs.calls.length, ebs.count("PutSnapshotBlock")];
  await stack.up();
  expect(ebs.calls.length, "an update without a change asks nothing of EBS").toBe(calls);
  expect(plugin.asked).toEqual([]);

  stack.changeData();
  await stack.preview();
  expect(ebs.calls.length).toBe(calls);
  const second = await stack.up();
  expect(second.outputs["snapshot"]).not.toBe(first.outputs["snapshot"]);
  expect(ebs.count("PutSnapshotBlock") - sent, "of a changed line").toBeLessThanOrEqual(3);
  expect(plugin.asked).toEqual([`create ${AMI}`, `create ${INSTANCE}`, `delete ${INSTANCE}`, `delete ${AMI}`]);
  expect(snapshots(), "the former snapshot is gone").toEqual([second.outputs["snapshot"]]);

  const ami = [...plugin.resources].find(([, { type }]) => type === AMI)?.[0] ?? "";
  plugin.resources.delete(ami);
  await stack.refresh();
  plugin.asked.length = 0;
  await stack.up();
  expect(plugin.asked, "an AMI that was deleted behind our back is made again").toEqual([
    `create ${AMI}`,
    `create ${INSTANCE}`,
    `delete ${INSTANCE}`,
  ]);
  expect(snapshots(), "of the snapshot that there is").toEqual([second.outputs["snapshot"]]);

  ebs.snapshots.clear();
  await stack.refresh();
  const third = await stack.up();
  expect(snapshots(), "a snapshot that was deleted behind our back is made again").toEqual([third.outputs["snapshot"]]);

  await stack.destroy();
  expect(snapshots()).toEqual([]);
  expect(plugin.resources.size).toBe(0);
});

test("by a provider of the program's own: a preview sees that there is nothing to do", async () => {
  const { accessKeyId: accessKey, secretAccessKey: secretKey } = ebs.key;
  stack.program = web({
    opts: () => ({ providers: { aws: new aws.Provider("own", { region: "eu-central-1", accessKey, secretKey }) } }),
  });
  delete stack.env["AWS_ACCESS_KEY_ID"];
  delete stack.env["AWS_SECRET_ACCESS_KEY"];
  await stack.up();
  expect((await stack.preview()).steps).toEqual([]);
});

test("another machine, with an empty cache, sends what has changed and no more", async () => {
  await stack.up();
  const sent = ebs.count("PutSnapshotBlock");
  const away = new Machine();
  try {
    stack.changeData();
    stack.machine = away;
    await stack.up();
    expect(ebs.count("PutSnapshotBlock") - sent).toBeLessThanOrEqual(3);
  } finally {
    away.dispose();
  }
});

test("another folder, where the backend's URL does not say whose the stack is, sends what has changed and no more", async () => {
  stack.env["PULUMI_BACKEND_URL"] = "file://../backend";
  await stack.up();
  const sent = ebs.count("PutSnapshotBlock");
  stack.move(`${stack.folder}-elsewhere`);
  stack.changeData();
  await stack.up();
  expect(ebs.count("PutSnapshotBlock") - sent).toBeLessThanOrEqual(3);
});

test("with the roles of the stack's configuration the disk goes to the account that they lead to", async () => {
  await stack.preview();
  appendFileSync(
    path.join(stack.folder, "Pulumi.dev.yaml"),
    "\nconfig:\n  aws:assumeRoles:\n    - roleArn: arn:aws:iam::210987654321:role/deploy\n",
  );
  await stack.up();
  expect([...ebs.snapshots.values()]).toMatchObject([{ owner: "210987654321", status: "completed" }]);
  await stack.destroy();
  expect(snapshots()).toEqual([]);
});

test("with other credentials a refresh and a destroy leave the snapshot on record", async () => {
  const { outputs } = await stack.up();
  const { accessKeyId, secretAccessKey } = ebs.addKey("210987654321");
  Object.assign(stack.env, { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey });
  const sentence = "is in the AWS account 123456789012, and the credentials are of 210987654321";
  expect(await failureOf(stack.refresh())).toContain(sentence);
  expect(await failureOf(stack.destroy())).toContain(sentence);
  expect(snapshots()).toEqual([outputs["snapshot"]]);

  Object.assign(stack.env, awsEnvironment(machine, plugin, ebs.key));
  await stack.destroy();
  expect(snapshots()).toEqual([]);
});

test("a snapshot that AWS counts as used for a moment longer than its image is there goes all the same", async () => {
  const { outputs } = await stack.up();
  ebs.fault = ({ action, count }) =>
    action === "DeleteSnapshot" && count === 0
      ? { status: 400, code: "InvalidSnapshot.InUse", message: `${String(outputs["snapshot"])} is in use by ami-1` }
      : undefined;
  await stack.destroy();
  expect(ebs.count("DeleteSnapshot")).toBe(2);
  expect(snapshots()).toEqual([]);
});

describe("the state", () => {
  test("holds no credentials, no absolute path and no file", async () => {
    stack.program = web({
      image: {
        connection: {
          endpoints: { ebs: ebs.endpoint, ec2: ebs.endpoint, sts: ebs.endpoint },
          credentials: { accessKeyId: ebs.key.accessKeyId, secretAccessKey: ebs.key.secretAccessKey },
        },
      },
    });
    delete stack.env["AWS_ACCESS_KEY_ID"];
    delete stack.env["AWS_SECRET_ACCESS_KEY"];
    const { output } = await stack.up();

    const text = stack.stateText();
    for (const said of [text, output]) {
      expect(said).not.toContain(ebs.key.accessKeyId);
      expect(said).not.toContain(ebs.key.secretAccessKey);
    }
    expect(text).not.toContain(machine.folder);
    const snapshot = (await stack.resources()).find(({ type }) => type.endsWith("Snapshot"));
    expect(snapshot?.type).toBe("pulumi-nodejs:dynamic/unikernel/aws:Snapshot");
    expect(snapshot?.inputs["__provider"]).toBe(
      'exports.handler = () => require("pulumi-unikernel/dynamic/aws-snapshot");',
    );
    expect({ ...snapshot?.inputs, ...snapshot?.outputs }).not.toHaveProperty("__context");
  });
});

describe("what goes wrong is told in one sentence", () => {
  test("what does not fit, in the preview", async () => {
    plugin.instanceType = { supportedArchitectures: ["arm64"], hypervisor: "nitro" };
    const cases: [Change, string][] = [
      [{}, 'The instance type "t3.nano" does not fit the image: it has arm64 processors, and the image is for x86_64.'],
      [
        { instance: { ports: [{ guest: 8080, host: 80 }] } },
        "Port 8080 of the guest cannot be port 80 of its host on AWS",
      ],
      [{ instance: { env: { LARGE: "x".repeat(17_000) } } }, "and EC2 takes 16384"],
    ];
    stack.program = async () => {
      await Promise.all(cases.map(([change], index) => web(change, `wrong-${index}`)()));
      return {};
    };
    const said = await failureOf(stack.preview());
    for (const [, sentence] of cases) expect(said).toContain(sentence);
    expect(ebs.calls).toEqual([]);
  });

  test("a permission that is missing; the next update goes on", async () => {
    ebs.fault = ({ action }) =>
      action === "CompleteSnapshot" ? { status: 403, code: "AccessDeniedException" } : undefined;
    expect(await failureOf(stack.up())).toContain(
      "AWS denied the request: the permission ebs:CompleteSnapshot is missing (in eu-central-1).",
    );
    ebs.fault = () => undefined;
    const sent = ebs.count("PutSnapshotBlock");
    await stack.up();
    expect(ebs.count("PutSnapshotBlock")).toBe(sent);
    expect(snapshots()).toHaveLength(1);
  });
});

describe("in mid-upload", () => {
  /** Starts an update whose blocks are taken and never confirmed. */
  async function hangingUpload(): Promise<{ failure: Promise<unknown> }> {
    ebs.gate = ({ action, count }) =>
      action === "PutSnapshotBlock" && count >= 5 ? delay(60_000, undefined, { ref: false }) : undefined;
    const failure = stack.up().catch((error: unknown) => error);
    await expect.poll(() => ebs.count("PutSnapshotBlock")).toBeGreaterThan(5);
    return { failure };
  }

  async function expectRecovery(): Promise<void> {
    ebs.gate = () => undefined;
    await stack.unlock();
    await stack.up();
    expect(snapshots()).toHaveLength(1);
  }

  test("an engine that is killed leaves no pending snapshot", async () => {
    const { failure } = await hangingUpload();
    process.kill(stack.engine()!, "SIGKILL");

    expect(await failure).toBeInstanceOf(OperationFailed);
    await expect.poll(snapshots).toEqual([]);
    await expectRecovery();
  });

  test("^C, and again for at once, leaves no pending snapshot", async () => {
    const { failure } = await hangingUpload();
    process.kill(stack.engine()!, "SIGINT");
    await delay(500);
    process.kill(stack.engine()!, "SIGINT");

    expect(await failure).toBeInstanceOf(OperationFailed);
    await expect.poll(snapshots).toEqual([]);
    await expectRecovery();
  });

  test("the engine and the provider are killed: the next update goes on where they ended", async () => {
    const { failure } = await hangingUpload();
    const providers = stack
      .processes()
      .filter(({ args }) => args.some((argument) => argument.includes("dynamic-provider")));
    for (const { pid } of providers) process.kill(pid, "SIGKILL");
    process.kill(stack.engine()!, "SIGKILL");

    expect(await failure).toBeInstanceOf(OperationFailed);
    const [pending] = snapshots();
    await expectRecovery();
    expect(snapshots()).toEqual([pending]);
  });
});

test("two stacks upload the same image at once, and each has a snapshot of its own", async () => {
  const other = new TestStack(machine, "other", "other-project");
  Object.assign(other.env, stack.env);
  other.addData();
  other.program = web();
  const [one, two] = await Promise.all([stack.up(), other.up()]);

  expect(one.outputs["digest"]).toBe(two.outputs["digest"]);
  expect(snapshots().sort()).toEqual([one.outputs["snapshot"], two.outputs["snapshot"]].map(String).sort());
  await stack.destroy();
  expect(snapshots()).toEqual([two.outputs["snapshot"]]);
});
