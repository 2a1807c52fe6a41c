import { createRequire } from "node:module";
import * as path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import type * as ebsModule from "@aws-sdk/client-ebs";
import type * as ec2Module from "@aws-sdk/client-ec2";
import type * as s3Module from "@aws-sdk/client-s3";
import {
  BlockDigests,
  changeTags,
  connect,
  connectStorage,
  deleteObject,
  deleteSnapshot,
  describeSnapshot,
  GIB,
  objectSize,
  uploadObject,
  uploadSnapshot,
  waitUntilCompleted,
} from "../../provider/src/targets/aws/index.js";
import { noise, sparseDisk } from "../../provider/src/targets/testing/disk.js";
import { Machine } from "../support/machine.js";
import { Moto } from "./support/moto.js";

// What the doubles of this repository are stricter in, another hand's server is another judge of.
const load = createRequire(path.resolve(import.meta.dirname, "../../provider/package.json"));
const { EBS } = load("@aws-sdk/client-ebs") as typeof ebsModule;
const { EC2 } = load("@aws-sdk/client-ec2") as typeof ec2Module;
const { S3 } = load("@aws-sdk/client-s3") as typeof s3Module;

const region = "eu-central-1";
const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "anything" };
const BLOCK = 512 * 1024;

let moto: Moto;
let machine: Machine;
beforeAll(async () => {
  moto = await Moto.start();
});
afterAll(() => moto.stop());
beforeEach(() => {
  machine = new Machine({ accelerator: false });
  onTestFinished(() => machine.dispose());
});

const settings = (): Parameters<typeof connect>[0] => {
  const { endpoint } = moto;
  return { region, credentials, endpoints: { ebs: endpoint, ec2: endpoint, s3: endpoint, sts: endpoint } };
};
const journal = (name: string): string => path.join(machine.folder, "uploads", name);

test("a snapshot arrives block for block, and the next one by its changed blocks", async () => {
  const connection = await connect(settings());
  onTestFinished(() => connection.close());
  connection.ebs.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      // moto gives the size of blocks in KiB, where AWS gives it in bytes.
      const output = result.output as { BlockSize?: number };
      if (output.BlockSize === 512) output.BlockSize = BLOCK;
      return result;
    },
    { step: "initialize" },
  );
  const data = noise(5 * BLOCK, 1);
  const disk = (): ReturnType<typeof sparseDisk> =>
    sparseDisk(GIB, [
      { offset: 512, data },
      { offset: 700 * BLOCK, data: noise(4096, 2) },
    ]);
  const request = { digest: "sha256:1", volumeSize: 1, description: "web", tags: { team: "shop" } };
  const first = await uploadSnapshot(disk(), connection, request, { journal: journal("first.jsonl") });
  await waitUntilCompleted(connection, first.id, { pollMs: 10 });
  expect(first.sentBlocks).toBe(7);
  expect(await describeSnapshot(connection, first.id)).toMatchObject({ status: "completed", tags: { team: "shop" } });

  const reader = new EBS({ region, credentials, endpoint: moto.endpoint });
  onTestFinished(() => reader.destroy());
  const { Blocks: blocks = [] } = await reader.listSnapshotBlocks({ SnapshotId: first.id });
  const indices = blocks.map(({ BlockIndex }) => Number(BlockIndex));
  expect(indices.sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 700]);
  for (const { BlockIndex, BlockToken } of blocks) {
    const index = Number(BlockIndex);
    const block = await reader.getSnapshotBlock({ SnapshotId: first.id, BlockIndex: index, BlockToken });
    const expected = await disk().read(index * BLOCK, BLOCK);
    expect(Buffer.from((await block.BlockData?.transformToByteArray()) ?? []).equals(expected), `block ${index}`).toBe(
      true,
    );
  }

  data.write("one line", 3 * BLOCK);
  const parent = { id: first.id, blocks: BlockDigests.parse(first.blocks.toString()) };
  const next = { ...request, digest: "sha256:2", parent };
  const second = await uploadSnapshot(disk(), connection, next, { journal: journal("second.jsonl") });
  expect(second.sentBlocks).toBe(1);

  await changeTags(connection, second.id, { team: "shop" }, { team: "store" });
  expect((await describeSnapshot(connection, second.id))?.tags).toMatchObject({ team: "store" });
  const { ownerId } = (await describeSnapshot(connection, second.id)) ?? {};
  expect(ownerId).toMatch(/^\d{12}$/);
  for (const { id } of [first, second]) {
    await deleteSnapshot(connection, id);
    await deleteSnapshot(connection, id, { ownerId });
    expect(await describeSnapshot(connection, id, { ownerId })).toBeUndefined();
    await expect(describeSnapshot(connection, id, { ownerId: "210987654321" })).rejects.toThrow(
      `is in the AWS account 210987654321, and the credentials are of ${ownerId}`,
    );
  }
});

describe("by way of S3", () => {
  let reader: s3Module.S3;
  beforeEach(async () => {
    reader = new S3({ region, credentials, endpoint: moto.endpoint, forcePathStyle: true });
    onTestFinished(() => reader.destroy());
    await reader.createBucket({ Bucket: "images", CreateBucketConfiguration: { LocationConstraint: region } }).catch(
      // A test before this one has made it.
      (error: Error) => expect(error.name).toBe("BucketAlreadyOwnedByYou"),
    );
  });

  test("an object arrives byte for byte, is found, and removed", async () => {
    const connection = await connectStorage(settings());
    onTestFinished(() => connection.close());
    const content = noise(20_000_000, 3);
    const name = { bucket: "images", key: "web-1/abab.vmdk" };
    const request = { ...name, digest: "sha256:1" };
    const pieces = async function* (): AsyncGenerator<Buffer> {
      for (let at = 0; at < content.length; at += 3_000_000) yield content.subarray(at, at + 3_000_000);
    };
    expect(await objectSize(connection, name)).toBeUndefined();
    expect(await uploadObject(pieces, connection, request, { journal: journal("web.json") })).toBe(content.length);

    const { Body: body, Metadata: metadata } = await reader.getObject({ Bucket: name.bucket, Key: name.key });
    expect(Buffer.from((await body?.transformToByteArray()) ?? []).equals(content)).toBe(true);
    expect(metadata).toEqual({ "unikernel-image": "sha256:1" });
    expect((await reader.listMultipartUploads({ Bucket: name.bucket })).Uploads ?? []).toEqual([]);

    expect(await objectSize(connection, name)).toBe(content.length);
    await deleteObject(connection, name);
    await deleteObject(connection, name);
    expect(await objectSize(connection, name)).toBeUndefined();
  });

  test("a bucket that does not exist is named", async () => {
    const connection = await connectStorage(settings());
    onTestFinished(() => connection.close());
    const nowhere = { bucket: "nowhere", key: "x" };
    const pieces = async function* (): AsyncGenerator<Buffer> {
      yield Buffer.from("disk");
    };
    const upload = uploadObject(pieces, connection, { ...nowhere, digest: "sha256:1" }, { journal: journal("x.json") });
    await expect(upload).rejects.toThrow('There is no bucket "nowhere". Make one in eu-central-1');
    expect(await objectSize(connection, nowhere)).toBeUndefined();
    await deleteObject(connection, nowhere);
  });

  test("here moto ends: it does not import snapshots, which the stand-in for @pulumi/aws does in its place", async () => {
    const ec2 = new EC2({ region, credentials, endpoint: moto.endpoint, maxAttempts: 1 });
    onTestFinished(() => ec2.destroy());
    const container = { Format: "VMDK", UserBucket: { S3Bucket: "images", S3Key: "web-1/abab.vmdk" } };
    await expect(ec2.importSnapshot({ DiskContainer: container })).rejects.toThrow();
  });
});
