import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { buildImage, openBootDisk, openImage, SNAPSHOT_BLOCK, type Digest } from "../../image/index.js";
import { buildContext } from "../../image/testing/context.js";
import { elf } from "../../image/testing/elf.js";
import { temporaryDirectory } from "../../image/testing/temporary.js";
import { noise } from "../../targets/testing/disk.js";
import { ACCOUNT, EbsService } from "../../targets/aws/testing/ebs-service.js";
import type { Context } from "../resource.js";
import { testContext } from "../testing/context.js";
import { UNKNOWN } from "../values.js";
import { snapshotResource, type CheckedSnapshot, type SnapshotState } from "./snapshot.js";

const IMAGE = `sha256:${"0".repeat(64)}`;

let service: EbsService;
let context: Context & { said: string[] };
let folder: string;

beforeEach(async () => {
  service = await new EbsService().start();
  folder = temporaryDirectory();
  vi.stubEnv("XDG_CACHE_HOME", join(folder, "cache"));
  context = testContext({ preview: false, credentials: { ...service.key } });
  onTestFinished(() => {
    vi.unstubAllEnvs();
    service.stop();
  });
});

/** Builds an image whose application has this content. */
async function image(content: Buffer): Promise<Digest> {
  const root = join(folder, "root");
  mkdirSync(root, { recursive: true });
  writeFileSync(join(root, "server"), elf(), { mode: 0o755 });
  writeFileSync(join(root, "data"), content);
  const spec = { source: { directory: root, command: ["/server"] } };
  return (await buildImage(spec, { baseDir: folder, kernel: buildContext(folder).kernel })).digest;
}

async function checked(inputs: object, old: object = {}): Promise<CheckedSnapshot> {
  const { endpoint } = service;
  const news = { region: "eu-central-1", endpoints: { ebs: endpoint, ec2: endpoint, sts: endpoint }, ...inputs };
  const result = await snapshotResource.check(old, news, context);
  expect(result.failures).toEqual([]);
  return result.inputs as unknown as CheckedSnapshot;
}

async function created(inputs: object): Promise<{ id: string; state: SnapshotState }> {
  return snapshotResource.create(await checked(inputs), context);
}

/** What the engine does to get from one state to other inputs that need a replacement. */
async function replaced(id: string, old: SnapshotState, inputs: object): ReturnType<typeof created> {
  const news = await checked(inputs, old);
  const { replaces } = await snapshotResource.diff(id, old, news, context);
  expect(replaces).not.toEqual([]);
  return created(inputs);
}

async function expectDisk(id: string, digest: Digest): Promise<void> {
  const built = await openImage(digest);
  const disk = await openBootDisk(built!, { roundTo: SNAPSHOT_BLOCK });
  onTestFinished(() => disk.close());
  for (const { offset, length } of disk.extents) {
    expect(service.bytes(id, offset, length).equals(await disk.read(offset, length))).toBe(true);
  }
}

describe("inputs that are wrong are told in one sentence", () => {
  test.each([
    [{ imagee: "x" }, 'Snapshot has no input "imagee". Did you mean "image"?'],
    [{ image: "web" }, '"image" must be an Image, or its digest (sha256:…); "web" is not.'],
    [{ region: "Frankfurt" }, '"region" must be a region of AWS, such as eu-central-1; "Frankfurt" is not.'],
    [{ kmsKeyArn: "alias/x" }, '"kmsKeyArn" must be the ARN of a KMS key (arn:aws:kms:…); "alias/x" is not.'],
    [{ volumeSize: 0 }, '"volumeSize" must be from 1 to 65536 GiB, but is 0.'],
    [
      { encrypted: false, kmsKeyArn: "arn:aws:kms:eu-central-1:1:key/1" },
      '"kmsKeyArn" is given, so "encrypted" cannot be false.',
    ],
    [{ tags: { "aws:x": "1" } }, 'The tag "aws:x" is not possible: that prefix belongs to others.'],
    [{ tags: { x: "y".repeat(256) } }, 'The tag "x" is not possible: its value is longer than 255 characters.'],
    [
      { tags: Object.fromEntries(Array.from({ length: 49 }, (_, i) => [`t${i}`, ""])) },
      '"tags" has 49 tags, and there is room for 48.',
    ],
  ])("%o", async (inputs, sentence) => {
    const { failures } = await snapshotResource.check({}, { image: IMAGE, ...inputs }, context);
    expect(failures[0]?.reason).toBe(sentence);
  });

  test("unknown ones pass", async () => {
    const inputs = { image: UNKNOWN, region: UNKNOWN, tags: { a: UNKNOWN } };
    expect((await snapshotResource.check({}, inputs, context)).failures).toEqual([]);
  });
});

describe("a snapshot", () => {
  test("holds the image's disk", async () => {
    const digest = await image(noise(3_000_000, 1));
    const { id, state } = await created({ image: digest, tags: { team: "shop" } });

    await expectDisk(id, digest);
    expect(state).toMatchObject({ snapshotId: id, region: "eu-central-1", volumeSize: 1, image: digest });
    expect(state.ownerId).toBe(ACCOUNT);
    const { tags, description } = service.snapshots.get(id)!;
    expect(Object.fromEntries(tags)).toEqual({
      Name: state.name,
      team: "shop",
      "unikernel:image": digest,
      "unikernel:name": state.name,
    });
    expect(description).toBe(`unikernel ${digest}`);
    const [, total, skipped, sent] =
      /^uploading to AWS: (\d+) of \1 blocks, (\d+) need not be sent, (\d+\.\d) MiB sent, \d+\.\d MiB\/s$/.exec(
        context.said.at(-1) ?? "",
      ) ?? [];
    const blocks = service.count("PutSnapshotBlock");
    expect(blocks).toBeGreaterThan(5);
    expect(Number(total) - Number(skipped)).toBe(blocks);
    expect(Number(sent)).toBe(blocks / 2);
  });

  test("keeps no credentials and nothing of the image in its state", async () => {
    const content = noise(3_000_000, 1);
    const { state } = await created({ image: await image(content) });
    const text = JSON.stringify(state);
    expect(text).not.toContain(service.key.accessKeyId);
    expect(text).not.toContain(service.key.secretAccessKey);
    expect(text).not.toContain(folder);
    expect(text.length).toBeLessThan(2000);
  });

  test("of a changed image sends only what has changed, though it knows only the former state", async () => {
    const content = noise(4_000_000, 1);
    const first = await created({ image: await image(content) });
    const before = service.count("PutSnapshotBlock");
    content.write("a changed line", 1_500_000);
    const digest = await image(content);
    // Another machine: nothing of the first upload is here.
    const state = JSON.parse(JSON.stringify(first.state)) as SnapshotState;
    const second = await replaced(first.id, state, { image: digest });

    expect(service.snapshots.get(second.id)?.parent).toBe(first.id);
    expect(service.count("PutSnapshotBlock") - before).toBeLessThanOrEqual(3);
    await expectDisk(second.id, digest);
  });

  test("of a changed image sends only what has changed in another folder, too", async () => {
    // Without a backend's URL the folder of the project is a part of the automatic name.
    vi.stubEnv("PULUMI_BACKEND_URL", undefined);
    const content = noise(4_000_000, 1);
    const first = await created({ image: await image(content) });
    content.write("a changed line", 1_500_000);
    context = { ...context, baseDir: "/elsewhere" };
    const second = await replaced(first.id, first.state, { image: await image(content) });

    expect(second.state.name).not.toBe(first.state.name);
    expect(service.snapshots.get(second.id)?.parent).toBe(first.id);
  });

  test.each([
    ["encrypted otherwise", { encrypted: true }],
    ["elsewhere", { region: "eu-west-1" }],
  ])("that is to be %s has no parent", async (_what, change) => {
    const digest = await image(noise(600_000, 1));
    const first = await created({ image: digest });
    const second = await replaced(first.id, first.state, { image: digest, ...change });
    expect(service.snapshots.get(second.id)?.parent).toBeUndefined();
    await expectDisk(second.id, digest);
  });

  test("whose former one was larger stays as large", async () => {
    const first = await created({ image: await image(noise(1000, 1)), volumeSize: 8 });
    const digest = await image(noise(1000, 2));
    const second = await replaced(first.id, first.state, { image: digest });
    expect(second.state.volumeSize).toBe(8);
    expect(service.snapshots.get(second.id)).toMatchObject({ parent: first.id, volumeSize: 8 });
  });

  test("is found again when its creator was killed before it could tell anybody", async () => {
    const inputs = { image: await image(noise(2_000_000, 1)) };
    const lost = await created(inputs);
    const blocks = service.count("PutSnapshotBlock");
    const found = await created(inputs);

    expect(found).toEqual({ ...lost, state: { ...lost.state, incarnation: found.state.incarnation } });
    expect(service.count("PutSnapshotBlock")).toBe(blocks);
    expect(service.snapshots.size).toBe(1);
  });

  test("stays when it has replaced itself, as the engine may be told to", async () => {
    const inputs = { image: await image(noise(1000, 1)) };
    const former = await created(inputs);
    const next = await created(inputs);
    await snapshotResource.delete(former.id, former.state, context);
    expect(service.snapshots.has(next.id)).toBe(true);
    await snapshotResource.delete(next.id, next.state, context);
    expect(service.snapshots.size).toBe(0);
  });

  test("is not found again once it is on record", async () => {
    const inputs = { image: await image(noise(1000, 1)) };
    const first = await created(inputs);
    await snapshotResource.diff(first.id, first.state, await checked(inputs), context);
    expect((await created(inputs)).id).not.toBe(first.id);
  });

  test("whose image is not here says what to do", async () => {
    await expect(created({ image: IMAGE })).rejects.toThrow(
      `The image ${IMAGE} is not in this machine's cache. Run the update without --target`,
    );
  });

  test("is not begun in an account that the stack's configuration does not allow", async () => {
    const config: Record<string, string> = {
      "aws:accessKey": service.key.accessKeyId,
      "aws:secretKey": service.key.secretAccessKey,
      "aws:allowedAccountIds": '["210987654321"]',
    };
    context = testContext({ preview: false, config: (key) => config[key] });
    const digest = await image(noise(1000, 1));
    await expect(created({ image: digest })).rejects.toThrow("is not among the stack's `aws:allowedAccountIds`");
    expect(service.count("StartSnapshot")).toBe(0);
  });

  test("takes keys from the stack's configuration when the program has none", async () => {
    const config: Record<string, string> = {
      "aws:accessKey": service.key.accessKeyId,
      "aws:secretKey": service.key.secretAccessKey,
      "aws:region": "eu-west-3",
    };
    context = testContext({ preview: false, config: (key) => config[key] });
    const { state } = await created({ image: await image(noise(1000, 1)), region: undefined });
    expect(state.region).toBe("eu-west-3");
    expect(new Set(service.calls.map(({ region }) => region))).toEqual(new Set(["eu-west-3"]));
  });
});

describe("a change", () => {
  const state = { name: "web", image: IMAGE, snapshotId: "snap-1", region: "eu-central-1", volumeSize: 1, blocks: "" };
  test.each<[string, object, string[], boolean]>([
    ["of nothing", {}, [], false],
    ["of a region that is left open", { region: undefined }, [], false],
    ["of the image", { image: `sha256:${"1".repeat(64)}` }, ["image"], true],
    ["to an image that is not known yet", { image: UNKNOWN }, ["image"], true],
    ["of the region", { region: "eu-west-1" }, ["region"], true],
    ["of the key", { kmsKeyArn: "arn:aws:kms:eu-central-1:1:key/1" }, ["kmsKeyArn"], true],
    ["of the size", { volumeSize: 2 }, ["volumeSize"], true],
    ["of a tag", { tags: { a: "b" } }, [], true],
    ["of the profile", { profile: "other" }, [], true],
  ])("%s", async (_what, change, replaces, changes) => {
    const { volumeSize: _size, snapshotId: _id, blocks: _blocks, ...inputs } = state;
    const news = { ...inputs, ...change } as CheckedSnapshot;
    const result = await snapshotResource.diff("snap-1", state, news, context);
    expect(result).toEqual({ replaces, changes, deleteBeforeReplace: false });
  });

  test("of tags is made in place, and leaves tags of others alone", async () => {
    const { id, state: old } = await created({ image: await image(noise(1000, 1)), tags: { a: "1", b: "2" } });
    service.snapshots.get(id)?.tags.set("cost-centre", "42");
    const news = await checked({ image: old.image, tags: { b: "3", c: "4" } }, old);
    const state = await snapshotResource.update(id, old, news, context);

    const tags = Object.fromEntries(service.snapshots.get(id)!.tags);
    expect(tags).toMatchObject({ b: "3", c: "4", "cost-centre": "42" });
    expect(tags).not.toHaveProperty("a");
    expect(state).toMatchObject({ snapshotId: id, blocks: old.blocks, tags: { b: "3", c: "4" } });
  });
});

describe("a refresh", () => {
  test("finds nothing amiss where nothing is", async () => {
    const { id, state } = await created({ image: await image(noise(1000, 1)), tags: { a: "1" } });
    service.snapshots.get(id)?.tags.set("cost-centre", "42");
    expect(await snapshotResource.read(id, state, context)).toEqual(state);
  });

  test("notices that it was deleted, or has gone bad", async () => {
    const { id, state } = await created({ image: await image(noise(1000, 1)) });
    service.snapshots.get(id)!.status = "error";
    expect(await snapshotResource.read(id, state, context)).toBeUndefined();
    service.snapshots.delete(id);
    expect(await snapshotResource.read(id, state, context)).toBeUndefined();
  });

  test("notices that a tag was changed", async () => {
    const { id, state } = await created({ image: await image(noise(1000, 1)), tags: { a: "1", b: "2" } });
    service.snapshots.get(id)?.tags.set("a", "other");
    service.snapshots.get(id)?.tags.delete("b");
    expect((await snapshotResource.read(id, state, context))?.tags).toEqual({ a: "other" });
  });
});

test("two of the same name are uploaded side by side, each with what is known of its own", async () => {
  const digests = [await image(noise(600_000, 1)), await image(noise(600_000, 2))] as const;
  const contexts = ["east", "west"].map((name) => ({ ...context, urn: `urn:pulumi:dev::shop::type::${name}` }));
  const create = async (digest: Digest, i: number): Promise<{ id: string; state: SnapshotState }> =>
    snapshotResource.create(await checked({ name: "web", image: digest }), contexts[i]!);
  const made = await Promise.all(digests.map(create));
  for (const [i, { id }] of made.entries()) await expectDisk(id, digests[i]!);

  // Both are to be replaced, and only then is either.
  const news = await checked({ name: "web", image: await image(noise(600_000, 3)) });
  for (const [i, { id, state }] of made.entries()) await snapshotResource.diff(id, state, news, contexts[i]!);
  for (const [i, { id }] of made.entries()) {
    const next = await snapshotResource.create(news, contexts[i]!);
    expect(service.snapshots.get(next.id)?.parent).toBe(id);
  }
});

describe("with credentials of another account", () => {
  const sentence = (id: string): string =>
    `The snapshot ${id} is in the AWS account ${ACCOUNT}, and the credentials are of 210987654321, which cannot see it. Set credentials of ${ACCOUNT}, for example with AWS_PROFILE`;
  let id: string;
  let state: SnapshotState;

  beforeEach(async () => {
    ({ id, state } = await created({ image: await image(noise(1000, 1)) }));
    context = testContext({ preview: false, credentials: service.addKey("210987654321") });
  });

  test("neither a refresh nor deleting takes the snapshot for gone", async () => {
    await expect(snapshotResource.read(id, state, context)).rejects.toThrow(sentence(id));
    await expect(snapshotResource.delete(id, state, context)).rejects.toThrow(sentence(id));
    expect([...service.snapshots.keys()]).toEqual([id]);
  });

  test("one whose account an older version did not keep counts as gone", async () => {
    const { ownerId: _, ...old } = state;
    expect(await snapshotResource.read(id, old, context)).toBeUndefined();
    await snapshotResource.delete(id, old, context);
    expect(service.count("GetCallerIdentity")).toBe(0);
  });

  test("a service that has its troubles is asked again whose they are", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0);
    onTestFinished(() => void vi.restoreAllMocks());
    service.fault = ({ action, count }) =>
      action === "GetCallerIdentity" && count < 2 ? { status: 503, code: "ServiceUnavailable" } : undefined;
    await expect(snapshotResource.read(id, state, context)).rejects.toThrow(sentence(id));
  });
});

test("deleting one that an image still uses says which, once it has waited for that to go", async () => {
  const { id, state } = await created({ image: await image(noise(1000, 1)) });
  service.snapshots.get(id)!.usedBy = "ami-0123456789abcdef0";
  let now = 0;
  // A minute at each look.
  vi.spyOn(performance, "now").mockImplementation(() => (now += 60_000));
  onTestFinished(() => void vi.restoreAllMocks());
  await expect(snapshotResource.delete(id, state, context)).rejects.toThrow(
    `The snapshot ${id} cannot be deleted: ami-0123456789abcdef0 still uses it. Deregister that image`,
  );
  expect([...service.snapshots.keys()]).toEqual([id]);
});

test("deleting leaves nothing, and what is gone already is fine", async () => {
  const inputs = { image: await image(noise(1000, 1)) };
  const { id, state } = await created(inputs);
  await snapshotResource.delete(id, state, context);
  expect(service.snapshots.size).toBe(0);
  await snapshotResource.delete(id, state, context);
  expect((await created(inputs)).id).not.toBe(id);
});
