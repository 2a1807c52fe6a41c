import { createRequire } from "node:module";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type * as ukawsModule from "pulumi-unikernel/aws";
import { openBootDiskFor, openImage } from "../../provider/src/image/index.js";
import { EbsService } from "../../provider/src/targets/aws/testing/ebs-service.js";
import { S3Service } from "../../provider/src/targets/aws/testing/s3-service.js";
import { SERVER } from "../support/guests.js";
import { Machine } from "../support/machine.js";
import { failureOf, OperationFailed, TestStack, unikernel } from "../support/stack.js";
import { AwsPlugin } from "./support/aws-plugin.js";
import { awsEnvironment } from "./support/environment.js";

// AWS's import itself is the stand-in's: moto does not know ImportSnapshot, nor does any other server that could run here.
const ukaws = createRequire(import.meta.url)("pulumi-unikernel/aws") as typeof ukawsModule;

const AMI = "aws:ec2/ami:Ami";
const IMPORT = "aws:ebs/snapshotImport:SnapshotImport";

let machine: Machine;
let stack: TestStack;
let ebs: EbsService;
let s3: S3Service;
let plugin: AwsPlugin;

beforeEach(async () => {
  machine = new Machine();
  ebs = await new EbsService().start();
  s3 = await new S3Service(ebs.key).start();
  plugin = await new AwsPlugin(ebs, s3).start();
  stack = new TestStack(machine);
  stack.kernel(...SERVER);
  Object.assign(stack.env, awsEnvironment(machine, plugin, ebs.key));
  stack.addData();
  stack.program = web();
});
afterEach(() => {
  for (const { pid } of stack.processes()) process.kill(pid, "SIGKILL");
  vi.unstubAllEnvs();
  plugin.stop();
  s3.stop();
  ebs.stop();
  machine.dispose();
});

/** A program with an AMI that is imported. */
function web(how: Partial<ukawsModule.ImportArgs> = {}, change: object = {}): () => Promise<Record<string, unknown>> {
  return async () => {
    const image = new unikernel.Image("image", { source: { directory: "./rootfs", command: ["/bin/server"] } });
    const ami = new ukaws.Ami("web", {
      image,
      import: { bucket: "images", ...how },
      connection: { endpoints: { s3: s3.endpoint } },
      ...change,
    });
    return { ami: ami.id, digest: image.digest, snapshot: ami.snapshotId, key: ami.object?.key };
  };
}

const objects = (): string[] => [...s3.objects.keys()];
const snapshots = (): string[] => [...ebs.snapshots.keys()];

test("a stack's life by way of S3", async () => {
  await stack.preview();
  expect(s3.calls, "a preview asks nothing of S3").toEqual([]);
  expect(plugin.asked).toEqual([]);

  const first = await stack.up();
  const digest = String(first.outputs["digest"]);
  expect(objects()).toEqual([`images/${String(first.outputs["key"])}`]);
  expect(first.outputs["key"]).toMatch(new RegExp(`/${digest.slice("sha256:".length)}\\.vmdk$`));
  expect(snapshots()).toEqual([first.outputs["snapshot"]]);
  expect(plugin.all(AMI)).toMatchObject([{ rootSnapshotId: first.outputs["snapshot"] }]);
  expect(ebs.snapshots.get(snapshots()[0] ?? "")?.tags.get("unikernel:image")).toBe(digest);
  expect(ebs.calls, "nothing takes the way of the EBS direct APIs").toEqual([]);
  expect(first.output).toMatch(/uploading to S3: \d+\.\d MiB sent, \d+\.\d MiB\/s/);

  // What QEMU unpacked of what had arrived is the image's disk.
  const built = await openImage(digest as `sha256:${string}`, { cacheDir: machine.cacheDir });
  const disk = await openBootDiskFor(built!, "vmdk");
  for (const { offset, length } of disk.extents)
    expect(ebs.bytes(snapshots()[0] ?? "", offset, length).equals(await disk.read(offset, length))).toBe(true);
  await disk.close();

  plugin.asked.length = 0;
  const calls = s3.calls.length;
  await stack.up();
  expect(s3.calls.length, "an update without a change asks nothing of S3").toBe(calls);
  expect(plugin.asked).toEqual([]);

  stack.changeData();
  const second = await stack.up();
  expect(plugin.asked).toEqual([`create ${IMPORT}`, `create ${AMI}`, `delete ${AMI}`, `delete ${IMPORT}`]);
  expect(objects(), "the former object is gone").toEqual([`images/${String(second.outputs["key"])}`]);
  expect(snapshots(), "the former snapshot is gone").toEqual([second.outputs["snapshot"]]);

  await stack.up({ replace: "unikernel/aws:DiskObject" });
  expect(objects(), "a replacement that is the same object stays").toEqual([`images/${String(second.outputs["key"])}`]);

  s3.objects.clear();
  await stack.refresh();
  plugin.asked.length = 0;
  await stack.up();
  expect(objects(), "an object that was deleted behind our back is made again").toHaveLength(1);
  expect(plugin.asked, "the snapshot does without").toEqual([]);

  await stack.destroy();
  expect([...objects(), ...snapshots()]).toEqual([]);
  expect(plugin.resources.size).toBe(0);
});

test("an object that is not to stay is gone once there is a snapshot, and comes back for another", async () => {
  // What removes it runs in the program's process, which is this one.
  for (const [name, value] of Object.entries({ ...stack.env, ...machine.environment })) vi.stubEnv(name, value);
  stack.program = web({ keepObject: false });
  await stack.up();
  expect(s3.count("begin")).toBe(1);
  expect(objects()).toEqual([]);

  plugin.resources.delete(snapshots()[0] ?? "");
  await stack.refresh();
  await stack.up();
  expect(plugin.all(IMPORT), "a snapshot that was deleted behind our back").toHaveLength(1);
  expect(objects()).toEqual([]);
  expect(s3.count("begin")).toBe(2);

  stack.program = web();
  await stack.up();
  expect(objects(), "the update that wants it kept").toHaveLength(1);
  stack.program = web({ keepObject: false });
  await stack.up();
  expect(objects(), "the update that no longer does").toEqual([]);
  expect(plugin.all(IMPORT)).toHaveLength(1);
  await stack.destroy();
  expect([...objects(), ...plugin.resources.keys()]).toEqual([]);
});

test("neither the state nor what is said holds credentials", async () => {
  const { accessKeyId, secretAccessKey } = ebs.key;
  const connection = { endpoints: { s3: s3.endpoint }, credentials: { accessKeyId, secretAccessKey } };
  stack.program = web({}, { connection });
  for (const name of ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]) delete stack.env[name];
  const { output } = await stack.up();
  expect(objects(), "they are what it was uploaded with").toHaveLength(1);
  for (const said of [stack.stateText(), output]) {
    expect(said).not.toContain(accessKeyId);
    expect(said).not.toContain(secretAccessKey);
  }
});

describe("what goes wrong is told in one sentence:", () => {
  test("a bucket that does not exist; with another the next update goes on", async () => {
    stack.program = web({ bucket: "nowhere" });
    expect(await failureOf(stack.up())).toContain('There is no bucket "nowhere". Make one in eu-central-1');
    stack.program = web();
    await stack.up();
    expect(objects()).toHaveLength(1);
  });

  test("a role that AWS does not have, which the next update mends without another upload", async () => {
    plugin.importRoles.clear();
    expect(await failureOf(stack.up())).toContain("The service role vmimport provided does not exist");
    plugin.importRoles.add("vmimport");
    await stack.up();
    expect(s3.count("begin")).toBe(1);
    expect(snapshots()).toHaveLength(1);
  });

  test("a bucket with its scheme, in the preview", async () => {
    stack.program = web({ bucket: "s3://images" });
    expect(await failureOf(stack.preview())).toContain('"bucket" must be the name of a bucket');
    expect(s3.calls).toEqual([]);
  });
});

test("^C in mid-upload, and again for at once, leaves nothing in the bucket", async () => {
  s3.gate = ({ action }) => (action === "part" ? delay(60_000, undefined, { ref: false }) : undefined);
  const failure = stack.up().catch((error: unknown) => error);
  await expect.poll(() => s3.count("part")).toBeGreaterThan(0);
  process.kill(stack.engine()!, "SIGINT");
  await delay(500);
  process.kill(stack.engine()!, "SIGINT");

  expect(await failure).toBeInstanceOf(OperationFailed);
  await expect.poll(() => s3.unfinished).toBe(0);
  expect(objects()).toEqual([]);
  s3.gate = () => undefined;
  await stack.unlock();
  await stack.up();
  expect(objects()).toHaveLength(1);
});
