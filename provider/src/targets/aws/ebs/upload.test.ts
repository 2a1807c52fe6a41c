import { createHash } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { VisibleError } from "../../../image/index.js";
import { temporaryDirectory } from "../../../image/testing/temporary.js";
import { connect, REQUESTS_IN_FLIGHT, type Connection } from "../connection.js";
import { explain } from "../errors.js";
import { noise, sparseDisk, type SparseDisk } from "../../testing/disk.js";
import { EbsService, type Call, type Fault } from "../testing/ebs-service.js";
import { BLOCK_SIZE, BlockDigests, GIB, type BlockSource } from "./blocks.js";
import { deleteSnapshot, waitUntilCompleted } from "./snapshots.js";
import { forgetUpload, uploadSnapshot, type UploadOptions, type UploadProgress, type UploadRequest } from "./upload.js";

let service: EbsService;
let connection: Connection;
let journal: string;

beforeEach(async () => {
  service = await new EbsService().start();
  connection = await connect({
    region: "eu-central-1",
    credentials: { ...service.key },
    endpoints: { ebs: service.endpoint, ec2: service.endpoint },
  });
  journal = join(temporaryDirectory(), "uploads/web.jsonl");
  // Pauses between attempts are random; these tests do without them.
  vi.spyOn(Math, "random").mockReturnValue(0);
  onTestFinished(() => {
    vi.restoreAllMocks();
    connection.close();
    service.stop();
  });
});

/** A disk of 1 GiB with data in its first blocks, a hole, and a little at its end. */
function disk(blocks = 6, change?: { at: number; text: string }): SparseDisk {
  const first = noise(blocks * BLOCK_SIZE - 1000, 1);
  if (change) first.write(change.text, change.at);
  return sparseDisk(GIB, [
    { offset: 512, data: first },
    { offset: 100 * BLOCK_SIZE + 4096, data: noise(4096, 2) },
    // An extent may well hold nothing but zeros.
    { offset: 200 * BLOCK_SIZE, data: Buffer.alloc(3 * BLOCK_SIZE) },
    { offset: GIB - 512, data: noise(512, 3) },
  ]);
}

async function upload(
  source: BlockSource,
  request: Partial<UploadRequest> = {},
  options: Partial<UploadOptions> = {},
): ReturnType<typeof uploadSnapshot> {
  return uploadSnapshot(source, connection, { digest: "sha256:1", volumeSize: 1, ...request }, { journal, ...options });
}

async function expectArrived(id: string, source: SparseDisk): Promise<void> {
  expect(service.snapshots.get(id)?.status).toBe("completed");
  const arrived = service.contents(id);
  for (const { offset, length } of source.extents) {
    expect(service.bytes(id, offset, length).equals(await source.read(offset, length))).toBe(true);
  }
  for (const [index, block] of arrived) {
    const expected = await source.read(index * BLOCK_SIZE, BLOCK_SIZE);
    expect(block.equals(expected), `block ${index}`).toBe(true);
  }
}

async function failure(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(VisibleError);
  return (error as Error).message;
}

const onBlocks =
  (fault: (call: Call) => Fault | undefined) =>
  (call: Call): Fault | undefined =>
    call.action === "PutSnapshotBlock" ? fault(call) : undefined;

describe("an upload", () => {
  test("sends the blocks that hold data, and no others, and they arrive as they are", async () => {
    const source = disk();
    const result = await upload(source, { description: "web", tags: { team: "shop" } });

    await expectArrived(result.id, source);
    expect(result).toMatchObject({ sentBlocks: 8, changedBlocks: 8 });
    expect([...service.contents(result.id).keys()].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 100, 2047]);
    expect(service.snapshots.get(result.id)).toMatchObject({ description: "web", tags: new Map([["team", "shop"]]) });
  });

  test("pads the last block of a disk that ends within one", async () => {
    const source = sparseDisk(BLOCK_SIZE + 512, [{ offset: BLOCK_SIZE, data: noise(512, 4) }]);
    const { id } = await upload(source);
    expect(service.bytes(id, BLOCK_SIZE, 1024)).toEqual(Buffer.concat([noise(512, 4), Buffer.alloc(512)]));
  });

  test("keeps 64 requests in flight, and no more blocks than that in memory", async () => {
    let open: () => void = () => undefined;
    const opened = new Promise<void>((resolve) => (open = resolve));
    // No answer before all of the first 64 are there.
    service.gate = ({ action, count }) => {
      if (action !== "PutSnapshotBlock") return undefined;
      if (count === REQUESTS_IN_FLIGHT - 1) open();
      return opened;
    };
    let held = 0;
    let most = 0;
    const source = disk(80);
    const watched = (offset: number, target: Buffer): Promise<void> => {
      most = Math.max(most, ++held);
      return source.readInto(offset, target);
    };
    const { size, extents } = source;
    await upload({ size, extents, readInto: watched }, {}, { progress: () => void held-- });

    expect(service.mostAtOnce).toBe(REQUESTS_IN_FLIGHT);
    expect(most).toBe(REQUESTS_IN_FLIGHT);
  });

  test("says how far it has come", async () => {
    const seen: UploadProgress[] = [];
    await upload(disk(), {}, { progress: (progress) => seen.push({ ...progress }) });
    expect(seen.at(-1)).toEqual({ done: 11, total: 11, sentBytes: 8 * BLOCK_SIZE, skipped: 3 });
  });

  test("encrypts with the key that is asked for", async () => {
    const kmsKeyArn = "arn:aws:kms:eu-central-1:123456789012:key/1";
    const { id } = await upload(disk(), { encrypted: true, kmsKeyArn });
    expect(service.snapshots.get(id)).toMatchObject({ encrypted: true, kmsKeyArn });
  });

  test("refuses a volume that is too small, before anything is started", async () => {
    expect(await failure(upload(sparseDisk(GIB + 512, [])))).toContain("1 GiB is too small for the disk");
    expect(service.calls).toEqual([]);
  });
});

describe("an upload on top of the former snapshot", () => {
  test("sends only what has changed", async () => {
    const former = await upload(disk());
    const source = disk(6, { at: 3 * BLOCK_SIZE + 7, text: "a changed line" });
    const parent = { id: former.id, blocks: BlockDigests.parse(former.blocks.toString()) };
    const result = await upload(source, { digest: "sha256:2", parent });

    expect(result).toMatchObject({ sentBlocks: 1, changedBlocks: 1 });
    expect([...(service.snapshots.get(result.id)?.blocks.keys() ?? [])]).toEqual([3]);
    await expectArrived(result.id, source);
    expect(result.blocks.indices()).toEqual([0, 1, 2, 3, 4, 5, 100, 2047]);
  });

  test("writes zeros over what is no longer there", async () => {
    const former = await upload(disk());
    const source = disk(4);
    const result = await upload(source, { digest: "sha256:2", parent: former });

    expect([...(service.snapshots.get(result.id)?.blocks.keys() ?? [])].sort((a, b) => a - b)).toEqual([3, 4, 5]);
    expect(service.bytes(result.id, 4 * BLOCK_SIZE, 2 * BLOCK_SIZE).equals(Buffer.alloc(2 * BLOCK_SIZE))).toBe(true);
    await expectArrived(result.id, source);
    expect(result.blocks.has(4)).toBe(false);
  });

  test("is encrypted as that is, and does not ask for it again", async () => {
    const former = await upload(disk(), { encrypted: true });
    const result = await upload(disk(5), { digest: "sha256:2", encrypted: true, parent: former });
    expect(service.snapshots.get(result.id)).toMatchObject({ encrypted: true, parent: former.id });
  });

  test("sends everything when that has been deleted, and says so", async () => {
    const former = await upload(disk());
    service.snapshots.delete(former.id);
    const notices: string[] = [];
    const source = disk(5);
    const result = await upload(
      source,
      { digest: "sha256:2", parent: former },
      { notice: (text) => notices.push(text) },
    );

    expect(result.sentBlocks).toBe(7);
    await expectArrived(result.id, source);
    expect(notices).toEqual([expect.stringContaining(`the former snapshot ${former.id} cannot be built upon`)]);
  });
});

describe("a service that has its troubles", () => {
  test.each<[string, Fault]>([
    ["throttles", { status: 400, code: "RequestThrottledException", reason: "ACCOUNT_THROTTLED" }],
    ["throttles with the other name", { status: 400, code: "ThrottlingException" }],
    ["fails", { status: 500, code: "InternalServerException" }],
    ["is not available", { status: 503, code: "ServiceUnavailable" }],
    ["breaks connections", { cut: "before" }],
    ["breaks connections before it answers", { cut: "after" }],
    ["does not know the new snapshot everywhere yet", { status: 404, code: "ResourceNotFoundException" }],
  ])("that %s: the upload tries again", async (_what, fault) => {
    service.fault = onBlocks(({ count }) => (count % 3 === 0 ? fault : undefined));
    const source = disk(20);
    const { id } = await upload(source);
    await expectArrived(id, source);
    expect(service.count("PutSnapshotBlock")).toBeGreaterThan(22);
  });

  test("starts one snapshot, however often the answer is lost", async () => {
    service.fault = ({ action, count }) => (action === "StartSnapshot" && count < 3 ? { cut: "after" } : undefined);
    await upload(disk());
    expect(service.count("StartSnapshot")).toBe(4);
    expect(service.snapshots.size).toBe(1);
  });

  test("completes it once, when the answer to that is lost", async () => {
    service.fault = ({ action, count }) =>
      action === "CompleteSnapshot" && count === 0 ? { cut: "after" } : undefined;
    const source = disk();
    await expectArrived((await upload(source)).id, source);
  });

  test("that keeps on throttling: the sentence says so", async () => {
    service.fault = onBlocks(() => ({ status: 400, code: "RequestThrottledException", message: "Rate exceeded." }));
    expect(await failure(upload(disk()))).toMatch(
      /still asks for fewer requests after many attempts \(ebs:PutSnapshotBlock in eu-central-1\): Rate exceeded\./,
    );
  });

  test("does not answer, now and then: the upload does not wait for ever", async () => {
    connection.close();
    const endpoints = { ebs: service.endpoint, ec2: service.endpoint };
    connection = await connect({ region: "eu-central-1", credentials: service.key, endpoints, stallTimeoutMs: 1000 });
    // Of each kind the first request.
    service.gate = ({ count }) => (count === 0 ? new Promise(() => undefined) : undefined);
    const source = disk();
    await expectArrived((await upload(source)).id, source);
  });

  test("accepts a clock that is off, as the SDK learns by how much", async () => {
    service.clockAheadMs = 60 * 60_000;
    const source = disk();
    await expectArrived((await upload(source)).id, source);
  });

  test("accepts a clock that is put off in mid-upload", async () => {
    service.fault = onBlocks(({ count }) => {
      if (count === 30) service.clockAheadMs = 60 * 60_000;
      return undefined;
    });
    const source = disk(80);
    await expectArrived((await upload(source)).id, source);
  });

  test("that will have no clock but its own: the sentence says so", async () => {
    const message = "Signature not yet current: 20261125T120000Z";
    service.fault = () => ({ status: 403, code: "InvalidSignatureException", message });
    expect(await failure(upload(disk()))).toContain("AWS does not accept the time of this machine");
  });
});

describe("what AWS refuses is told in a sentence", () => {
  test.each<[string, (call: Call) => Fault | undefined, RegExp]>([
    [
      "expired credentials",
      () => ({ status: 403, code: "ExpiredTokenException", message: "The security token is expired" }),
      /^The AWS credentials have expired \(ebs:StartSnapshot in eu-central-1\)\. Sign in again/,
    ],
    [
      "a permission that is missing",
      onBlocks(() => ({
        status: 403,
        code: "AccessDeniedException",
        message: "User: arn:aws:iam::1:user/x is not authorized to perform: ebs:PutSnapshotBlock on resource: y",
      })),
      /^AWS denied the request: the permission ebs:PutSnapshotBlock is missing \(in eu-central-1\)\. `uploadPolicy`/,
    ],
    [
      "a permission that AWS does not name",
      ({ action }) => (action === "CompleteSnapshot" ? { status: 403, code: "AccessDeniedException" } : undefined),
      /the permission ebs:CompleteSnapshot is missing/,
    ],
    [
      "a key that may not be used",
      () => ({ status: 403, code: "AccessDeniedException", reason: "DEPENDENCY_ACCESS_DENIED" }),
      /^AWS denied the use of the KMS key/,
    ],
    [
      "a quota",
      () => ({ status: 402, code: "ServiceQuotaExceededException", message: "Too many snapshots." }),
      /^A quota of the account is used up \(ebs:StartSnapshot in eu-central-1\): Too many snapshots\. Remove/,
    ],
    [
      "too many uploads at once",
      () => ({ status: 400, code: "ConcurrentLimitExceededException", message: "Limit reached." }),
      /^A quota of the account is used up/,
    ],
    [
      "a region without the EBS direct APIs",
      () => ({ status: 404, code: "UnknownOperationException", message: "Not here." }),
      /^The region eu-central-1 does not have ebs:StartSnapshot: use the S3 way \(`import`\) there, or another region\./,
    ],
    [
      "a connection that always breaks in mid-upload",
      onBlocks(({ count }) => (count > 2 ? { cut: "before" } : undefined)),
      /^The connection to AWS broke again and again \(ebs:PutSnapshotBlock in eu-central-1\): .* Run the update again: what has arrived is not sent again\./,
    ],
    [
      "a region that is not turned on",
      () => ({ status: 401, code: "OptInRequired", message: "You are not subscribed." }),
      /^The account has not turned on the region eu-central-1/,
    ],
  ])("%s", async (_what, fault, sentence) => {
    service.fault = fault;
    expect(await failure(upload(disk()))).toMatch(sentence);
  });

  test("a sign-in that has expired", async () => {
    // What `aws sso login` left, as AWS's own tools keep it.
    const folder = temporaryDirectory();
    writeFileSync(
      join(folder, "config"),
      "[profile sso]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n[sso-session s]\nsso_region = eu-central-1\nsso_start_url = https://sso.invalid\n",
    );
    const cache = join(folder, ".aws/sso/cache");
    mkdirSync(cache, { recursive: true });
    const session = { accessToken: "hush", expiresAt: "2020-01-01T00:00:00Z", region: "eu-central-1" };
    writeFileSync(join(cache, `${createHash("sha1").update("s").digest("hex")}.json`), JSON.stringify(session));
    for (const name of ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]) vi.stubEnv(name, undefined);
    vi.stubEnv("AWS_CONFIG_FILE", join(folder, "config"));
    vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", join(folder, "none"));
    vi.stubEnv("HOME", folder);
    onTestFinished(() => void vi.unstubAllEnvs());
    connection.close();
    const endpoints = { ebs: service.endpoint, ec2: service.endpoint };
    connection = await connect({ region: "eu-central-1", profile: "sso", endpoints });

    const message = await failure(upload(disk()));
    expect(message).toMatch(/^The AWS credentials have expired\. Sign in again, for example with `aws sso login`\./);
    expect(message).not.toContain("hush");
    expect(service.calls).toEqual([]);
  });

  test("keys that it does not know", async () => {
    service.key.accessKeyId = "AKIDANOTHER";
    expect(await failure(upload(disk()))).toMatch(/^AWS does not know these credentials/);
  });

  test("a secret key that is wrong", async () => {
    service.key.secretAccessKey = "another";
    expect(await failure(upload(disk()))).toMatch(/their secret key is wrong/);
  });

  test("no credentials at all", async () => {
    for (const name of ["AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI"])
      vi.stubEnv(name, undefined);
    const nowhere = join(temporaryDirectory(), "none");
    for (const name of ["AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"]) vi.stubEnv(name, nowhere);
    vi.stubEnv("AWS_EC2_METADATA_DISABLED", "true");
    onTestFinished(() => void vi.unstubAllEnvs());
    const endpoints = { ebs: service.endpoint, ec2: service.endpoint };
    connection.close();
    connection = await connect({ region: "eu-central-1", endpoints });

    expect(await failure(upload(disk()))).toMatch(
      /^There are no AWS credentials\. Set AWS_PROFILE, sign in.* only the program gives are not kept for `pulumi refresh`/,
    );
    expect(service.calls).toEqual([]);
  });

  test("a region that AWS does not have", async () => {
    connection.close();
    // Names below .invalid never resolve.
    connection = await connect({
      region: "mars-north-1",
      credentials: service.key,
      endpoints: { ebs: "https://ebs.mars-north-1.invalid" },
    });
    expect(await failure(upload(disk()))).toMatch(
      /^There is no host "ebs\.mars-north-1\.invalid".*"mars-north-1" is no region/,
    );
  });

  test("a certificate that is refused for its time", () => {
    const error = Object.assign(new Error("certificate has expired"), { code: "CERT_HAS_EXPIRED" });
    const told = explain(error, { action: "ebs:StartSnapshot", region: "eu-central-1" });
    expect((told as Error).message).toMatch(/^The certificate of AWS is not valid at the time of this machine, \d{4}-/);
  });

  test("no region", async () => {
    for (const name of ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"]) vi.stubEnv(name, undefined);
    vi.stubEnv("AWS_CONFIG_FILE", join(temporaryDirectory(), "none"));
    onTestFinished(() => void vi.unstubAllEnvs());
    expect(await failure(connect({}))).toMatch(/^No AWS region is given/);
  });
});

describe("an upload that was interrupted", () => {
  /** Uploads until the service has taken this many blocks, and then fails as if the process had been killed. */
  async function interrupted(source: BlockSource, blocks: number, request: Partial<UploadRequest> = {}): Promise<void> {
    service.fault = onBlocks(({ count }) =>
      count >= blocks ? { status: 400, code: "ValidationException" } : undefined,
    );
    await expect(upload(source, request)).rejects.toThrow();
    service.fault = () => undefined;
    expect(existsSync(journal)).toBe(true);
  }

  test("goes on where it ended: what has arrived is not sent again", async () => {
    const source = disk(90);
    await interrupted(source, 75);
    const [before] = service.snapshots.keys();
    const arrived = service.snapshots.get(before ?? "")?.blocks.size ?? 0;
    expect(arrived).toBe(75);
    const result = await upload(source);

    expect(result.id).toBe(before);
    // Answers that were on their way when it ended may have been missed.
    expect(result.changedBlocks).toBe(92);
    expect(result.sentBlocks).toBeGreaterThanOrEqual(92 - arrived);
    expect(result.sentBlocks).toBeLessThanOrEqual(92 - arrived + REQUESTS_IN_FLIGHT);
    expect(service.snapshots.size).toBe(1);
    await expectArrived(result.id, source);
  });

  test("finds the snapshot of which the process never learnt", async () => {
    service.fault = ({ action }) => (action === "StartSnapshot" ? { cut: "after" } : undefined);
    expect(await failure(upload(disk()))).toMatch(/^The connection to AWS broke again and again/);
    service.fault = () => undefined;
    const { id } = await upload(disk());
    expect([...service.snapshots.keys()]).toEqual([id]);
  });

  test("begins anew when AWS has cancelled it, and removes what is left", async () => {
    const source = disk(80);
    await interrupted(source, 70);
    const [before = ""] = service.snapshots.keys();
    (service.snapshots.get(before) ?? { status: "" }).status = "error";
    const { id } = await upload(source);

    expect([...service.snapshots.keys()]).toEqual([id]);
    await expectArrived(id, source);
  });

  test("begins anew when AWS could not complete it, and removes what is left", async () => {
    const source = disk();
    const before = await upload(source);
    (service.snapshots.get(before.id) ?? { status: "" }).status = "error";
    const { id } = await upload(source);

    expect([...service.snapshots.keys()]).toEqual([id]);
    await expectArrived(id, source);
  });

  test("begins anew when the disk is another, and removes what is left", async () => {
    await interrupted(disk(80), 70);
    const source = disk(8);
    const { id } = await upload(source, { digest: "sha256:2" });

    expect([...service.snapshots.keys()]).toEqual([id]);
    await expectArrived(id, source);
  });

  test("once it was complete is not done again: its snapshot is found", async () => {
    const source = disk();
    const before = await upload(source);
    const result = await upload(source);

    expect(result).toMatchObject({ id: before.id, sentBlocks: 0, changedBlocks: 8 });
    expect(result.blocks.toString()).toBe(before.blocks.toString());
    expect(service.count("CompleteSnapshot")).toBe(1);
  });

  test("is done again when its snapshot is on record", async () => {
    const { id } = await upload(disk());
    await forgetUpload(journal, "snap-another");
    expect(existsSync(journal)).toBe(true);
    await forgetUpload(journal, id);
    expect((await upload(disk())).id).not.toBe(id);
  });

  test("goes on upon the former snapshot, too", async () => {
    const former = await upload(disk(2));
    const source = disk(90);
    const parent = { id: former.id, blocks: former.blocks };
    await interrupted(source, 80, { parent });
    const result = await upload(source, { parent });

    await expectArrived(result.id, source);
    expect(service.snapshots.size).toBe(2);
  });
});

test("an upload that fails ends when nothing of it goes on any more: the disk and the journal are closed then", async () => {
  const source = disk(80);
  const { size, extents } = source;
  let reading = 0;
  const slowly = async (offset: number, target: Buffer): Promise<void> => {
    reading++;
    if (offset > 0) await delay(100);
    await source.readInto(offset, target);
    reading--;
  };
  service.fault = onBlocks(() => ({ status: 400, code: "ValidationException" }));
  await expect(upload({ size, extents, readInto: slowly })).rejects.toThrow();
  expect(reading).toBe(0);
});

describe("^C", () => {
  test("leaves no snapshot behind, and no journal", async () => {
    const controller = new AbortController();
    const progress = ({ done }: UploadProgress): void => void (done > 20 && controller.abort(new Error("interrupted")));
    await expect(upload(disk(90), {}, { signal: controller.signal, progress })).rejects.toThrow("interrupted");

    expect(service.snapshots.size).toBe(0);
    expect(existsSync(journal)).toBe(false);
  });

  test("does not wait for answers that do not come", async () => {
    const controller = new AbortController();
    service.gate = ({ action, count }) => {
      if (action !== "PutSnapshotBlock") return undefined;
      if (count === 10) setImmediate(() => controller.abort(new Error("interrupted")));
      return new Promise(() => undefined);
    };
    await expect(upload(disk(30), {}, { signal: controller.signal })).rejects.toThrow("interrupted");
    expect(service.snapshots.size).toBe(0);
  });

  test("while the snapshot is being started leaves none either", async () => {
    const controller = new AbortController();
    service.fault = ({ action }) => {
      if (action === "StartSnapshot") controller.abort(new Error("interrupted"));
      return undefined;
    };
    await expect(upload(disk(), {}, { signal: controller.signal })).rejects.toThrow("interrupted");
    expect(service.snapshots.size).toBe(0);
  });

  test("with a permission missing leaves the journal, by which the next upload finds the snapshot", async () => {
    const controller = new AbortController();
    service.fault = ({ action, count }) => {
      if (action === "PutSnapshotBlock" && count === 10) controller.abort(new Error("interrupted"));
      return action === "DeleteSnapshot" ? { status: 403, code: "UnauthorizedOperation" } : undefined;
    };
    await expect(upload(disk(30), {}, { signal: controller.signal })).rejects.toThrow("interrupted");
    const [before] = service.snapshots.keys();
    expect((await upload(disk(30))).id).toBe(before);
  });
});

test("two uploads of the same disk at once make two snapshots, each whole", async () => {
  const source = disk(30);
  const other = join(temporaryDirectory(), "other.jsonl");
  const [one, two] = await Promise.all([upload(source), upload(source, {}, { journal: other })]);
  expect(one.id).not.toBe(two.id);
  await expectArrived(one.id, source);
  await expectArrived(two.id, source);
});

describe("waiting for completion", () => {
  test("ends when AWS says so", async () => {
    service.slowCompletion = 3;
    const { id } = await upload(disk());
    const said: string[] = [];
    await waitUntilCompleted(connection, id, { pollMs: 1, status: (message) => said.push(message) });
    expect(said).toEqual(Array<string>(3).fill(`waiting for AWS to complete the snapshot ${id}`));
  });

  test("fails when AWS gives up", async () => {
    const { id } = await upload(disk());
    (service.snapshots.get(id) ?? { status: "" }).status = "error";
    expect(await failure(waitUntilCompleted(connection, id, { pollMs: 1 }))).toContain(
      `could not complete the snapshot ${id}`,
    );
  });
});

describe("deleting", () => {
  test("is done when the snapshot is gone already", async () => {
    await deleteSnapshot(connection, `snap-${"0".repeat(17)}`);
    expect(service.count("DeleteSnapshot")).toBe(1);
  });

  test("names the image that still uses it", async () => {
    const { id } = await upload(disk());
    (service.snapshots.get(id) ?? { usedBy: "" }).usedBy = "ami-0123456789abcdef0";
    expect(await failure(deleteSnapshot(connection, id, { inUseTimeoutMs: 0 }))).toContain(
      `The snapshot ${id} cannot be deleted: ami-0123456789abcdef0 still uses it.`,
    );
  });
});
