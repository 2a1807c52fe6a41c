import { existsSync, readdirSync, statSync } from "node:fs";
import * as path from "node:path";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { VisibleError } from "../../../image/index.js";
import { temporaryDirectory } from "../../../image/testing/temporary.js";
import { noise } from "../../testing/disk.js";
import { connectStorage, PARTS_IN_FLIGHT, type StorageConnection } from "../connection.js";
import { S3Service, type S3Fault } from "../testing/s3-service.js";
import { deleteObject, objectSize } from "./objects.js";
import { PART_SIZE, uploadObject, type ObjectProgress } from "./upload.js";

const CONTENT = noise(4 * PART_SIZE + 300_000, 7);
const REQUEST = { bucket: "images", key: "web/1 (x).vmdk", digest: "sha256:1" };
const NAME = "images/web/1 (x).vmdk";
const KEY = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" };

let service: S3Service;
let connection: StorageConnection;
let journal: string;
let progress: ObjectProgress[];

beforeEach(async () => {
  service = await new S3Service({ ...KEY }).start();
  connection = await open();
  journal = path.join(temporaryDirectory(), "uploads/web.s3.json");
  progress = [];
  // Pauses between attempts are random; these tests do without them.
  vi.spyOn(Math, "random").mockReturnValue(0);
  onTestFinished(() => {
    vi.restoreAllMocks();
    connection.close();
    service.stop();
  });
});

function open(region = "eu-central-1"): Promise<StorageConnection> {
  return connectStorage({ region, credentials: KEY, endpoints: { s3: service.endpoint } });
}

/** The content in pieces that match nothing. */
async function* pieces(content: Buffer = CONTENT): AsyncGenerator<Buffer> {
  for (let at = 0; at < content.length; at += 1_000_003) yield content.subarray(at, at + 1_000_003);
}

interface Change {
  signal?: AbortSignal;
  request?: Partial<typeof REQUEST>;
  content?: Buffer;
}

function upload({ signal, request, content }: Change = {}): Promise<number> {
  return uploadObject(
    () => pieces(content),
    connection,
    { ...REQUEST, ...request },
    { journal, signal, progress: (how) => progress.push(how) },
  );
}

function expectWhole(content = CONTENT): void {
  const object = service.objects.get(NAME);
  expect(object?.content.equals(content)).toBe(true);
  expect(object?.metadata).toEqual({ "unikernel-image": "sha256:1" });
  expect(service.unfinished).toBe(0);
  expect(existsSync(journal)).toBe(false);
}

async function refused(change?: Change): Promise<string> {
  const error: unknown = await upload(change).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(VisibleError);
  return (error as Error).message;
}

describe("an upload", () => {
  test("arrives byte for byte, in parts, a few of which are under way at once", async () => {
    let open: () => void = () => undefined;
    const opened = new Promise<void>((resolve) => (open = resolve));
    let before = 0;
    // No answer before as many as there may be have come.
    service.gate = ({ action, count }) => {
      if (action !== "part") return undefined;
      if (count === PARTS_IN_FLIGHT - 1)
        setTimeout(() => {
          before = service.count("part");
          open();
        }, 20);
      return opened;
    };
    expect(await upload()).toBe(CONTENT.length);
    expectWhole();
    expect(before).toBe(PARTS_IN_FLIGHT);
    expect(service.count("part")).toBe(5);
    expect(progress.at(-1)).toEqual({ sent: CONTENT.length, skipped: 0 });
  });

  test.each([0, 1, PART_SIZE - 1, PART_SIZE, PART_SIZE + 1])("of %i bytes is whole", async (length) => {
    const content = noise(length, 3);
    await upload({ content });
    expectWhole(content);
  });

  test("is not sent again when it is there", async () => {
    await upload();
    expect(await upload()).toBe(CONTENT.length);
    expect(service.count("begin")).toBe(1);
  });

  test("does not take an object whose key only begins so for its own", async () => {
    service.objects.set(`${NAME}.old`, { content: Buffer.from("x"), metadata: {} });
    await upload();
    expectWhole();
  });
});

describe("goes on, whatever happens to one request:", () => {
  const faults: [string, S3Fault][] = [
    ["a connection cut before", { cut: "before" }],
    ["a connection cut after", { cut: "after" }],
    ["status 503", { status: 503, code: "SlowDown" }],
    ["status 500", { status: 500, code: "InternalError" }],
  ];
  const actions = ["list", "begin", "part", "complete"] as const;
  test.each(faults.flatMap(([name, fault]) => actions.map((action) => [name, action, fault] as const)))(
    "%s, in %s",
    async (_name, action, fault) => {
      service.fault = (call) => (call.action === action && call.count === 0 ? fault : undefined);
      await upload();
      expect(service.objects.get(NAME)?.content.equals(CONTENT)).toBe(true);
      expect(existsSync(journal)).toBe(false);
    },
  );

  test("completing fails late, in an answer that began well", async () => {
    service.fault = ({ action, count }) =>
      action === "complete" && count === 0 ? { status: 200, code: "InternalError" } : undefined;
    await upload();
    expectWhole();
  });

  test("an upload that S3 has forgotten, once", async () => {
    service.fault = ({ action, count }) => {
      if (action === "part" && count === 3) service.forgetUploads();
      return undefined;
    };
    await upload();
    expectWhole();
    expect(service.count("begin")).toBe(2);
  });

  test("a clock that is off: the SDK learns by how much", async () => {
    service.clockAheadMs = -60 * 60_000;
    await upload();
    expectWhole();
  });
});

describe("an upload that was interrupted", () => {
  /** Lets an upload fail for good at its third part. */
  async function interrupted(): Promise<number> {
    service.fault = ({ action, count }) =>
      action === "part" && count === 2 ? { status: 403, code: "AccessDenied" } : undefined;
    await refused();
    await expect.poll(() => service.serving).toBe(0);
    service.fault = () => undefined;
    return service.count("part");
  }

  test("goes on with the parts that are missing, and its journal is for its owner only", async () => {
    const before = await interrupted();
    expect(statSync(journal).mode & 0o777).toBe(0o600);
    expect(statSync(path.dirname(journal)).mode & 0o777).toBe(0o700);
    progress = [];
    await upload();
    expectWhole();
    expect(service.count("begin")).toBe(1);
    const { sent = 0, skipped = 0 } = progress.at(-1) ?? {};
    expect(sent + skipped).toBe(CONTENT.length);
    expect(skipped).toBeGreaterThanOrEqual(2 * PART_SIZE);
    expect(service.count("part") - before).toBe(Math.ceil(sent / PART_SIZE));
  });

  test("sends what has become other bytes since, as with another compressor", async () => {
    await interrupted();
    const other = Buffer.concat([CONTENT.subarray(0, PART_SIZE), noise(2 * PART_SIZE, 9)]);
    await upload({ content: other });
    expectWhole(other);
  });

  test.each([{ digest: "sha256:2" }, { key: "web/2.vmdk" }])(
    "begins anew when it is another's, and ends that: %o",
    async (request) => {
      await interrupted();
      expect(service.unfinished).toBe(1);
      await upload({ request });
      expect(service.count("begin")).toBe(2);
      expect(service.unfinished).toBe(0);
    },
  );

  test("begins anew though that can no longer be ended", async () => {
    await interrupted();
    service.fault = ({ action }) => (action === "abort" ? { status: 403, code: "AccessDenied" } : undefined);
    await upload({ request: { digest: "sha256:2" } });
    expect(service.count("begin")).toBe(2);
  });

  test("ends when the object has come there by another way", async () => {
    await interrupted();
    service.objects.set(NAME, { content: CONTENT, metadata: { "unikernel-image": "sha256:1" } });
    await upload();
    expectWhole();
  });

  test("begins anew when S3 has forgotten it", async () => {
    await interrupted();
    service.forgetUploads();
    await upload();
    expectWhole();
    expect(service.count("begin")).toBe(2);
  });
});

test("the signal ends an upload, and nothing of it is left", async () => {
  const controller = new AbortController();
  service.gate = ({ action, count }) => {
    if (action === "part" && count === 2) setImmediate(() => controller.abort(new Error("^C")));
    return action === "part" && count >= 2 ? new Promise(() => undefined) : undefined;
  };
  await expect(upload({ signal: controller.signal })).rejects.toThrow("^C");
  expect(service.objects.size).toBe(0);
  expect(service.unfinished).toBe(0);
  expect(readdirSync(path.dirname(journal))).toEqual([]);
});

test("an object is found, and deleted once or twice", async () => {
  await upload();
  expect(await objectSize(connection, REQUEST)).toBe(CONTENT.length);
  await deleteObject(connection, REQUEST);
  await deleteObject(connection, REQUEST);
  expect(await objectSize(connection, REQUEST)).toBeUndefined();
});

test("an object whose bucket is gone is gone with it", async () => {
  await upload();
  service.buckets.clear();
  expect(await objectSize(connection, REQUEST)).toBeUndefined();
  await deleteObject(connection, REQUEST);
});

describe("what goes wrong is told in one sentence:", () => {
  test.each<[string, S3Fault, RegExp]>([
    [
      "a permission that AWS does not name",
      { status: 403, code: "AccessDenied", message: "Access Denied" },
      /^AWS denied the request: the permission s3:PutObject on the bucket "images" is missing\. `importPolicy` of/,
    ],
    [
      "a permission that it names",
      {
        status: 403,
        code: "AccessDenied",
        message: "User: x is not authorized to perform: s3:PutObjectTagging on resource: y",
      },
      /the permission s3:PutObjectTagging on the bucket "images" is missing/,
    ],
    [
      "a key that may not be used",
      {
        status: 403,
        code: "AccessDenied",
        message: "User: x is not authorized to perform: kms:GenerateDataKey on resource: y",
      },
      /^AWS denied the use of the KMS key that encrypts the objects of the bucket "images" .* kms:GenerateDataKey is missing\. `importPolicy` .* once `kmsKeyArn` names the key\.$/,
    ],
    [
      "credentials that have expired",
      { status: 400, code: "ExpiredToken", message: "The provided token has expired." },
      /^The AWS credentials have expired \(s3:PutObject on the bucket "images"\)\. Sign in again/,
    ],
    [
      "a service that always asks for fewer requests",
      { status: 503, code: "SlowDown", message: "Reduce your request rate." },
      /^AWS still asks for fewer requests after many attempts .* Reduce your request rate\./,
    ],
    ["a connection that always breaks", { cut: "before" }, /^The connection to AWS broke again and again/],
  ])("%s", async (_name, fault, sentence) => {
    service.fault = ({ action }) => (action === "begin" ? fault : undefined);
    expect(await refused()).toMatch(sentence);
  });

  test("a bucket that does not exist", async () => {
    expect(await refused({ request: { bucket: "nowhere" } })).toMatch(
      /^There is no bucket "nowhere"\. Make one in eu-central-1/,
    );
  });

  test("a bucket of another region", async () => {
    service.buckets.set("images", "us-east-1");
    expect(await refused()).toMatch(/^The bucket "images" is not in eu-central-1, and AWS imports/);
  });

  test("keys that AWS does not know, and a secret key that is wrong", async () => {
    service.key.accessKeyId = "AKIDANOTHER";
    expect(await refused()).toMatch(/^AWS does not know these credentials/);
    Object.assign(service.key, KEY, { secretAccessKey: "another" });
    expect(await refused()).toMatch(/their secret key is wrong/);
  });

  test("an upload that is always forgotten", async () => {
    service.fault = ({ action }) => {
      if (action === "complete") service.forgetUploads();
      return undefined;
    };
    expect(await refused()).toMatch(/^S3 has lost what was uploaded to the bucket "images" 3 times\./);
  });
});
