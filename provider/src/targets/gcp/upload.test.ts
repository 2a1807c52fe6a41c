import { existsSync, readdirSync, statSync } from "node:fs";
import * as path from "node:path";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { temporaryDirectory } from "../../image/testing/temporary.js";
import { noise } from "../testing/disk.js";
import { connect, type Connection, type ConnectionSettings } from "./connection.js";
import { explain } from "./errors.js";
import { deleteObject, describeObject } from "./storage.js";
import { StorageService, type Fault } from "./testing/storage-service.js";
import { TokenService } from "./testing/token-service.js";
import { DIGEST_KEY, PART_SIZE, uploadObject, type UploadProgress } from "./upload.js";

const CONTENT = noise(2 * PART_SIZE + 300_000, 7);
const REQUEST = { bucket: "images", name: "web/1.tar.gz", digest: "sha256:1", contentType: "application/gzip" };
const KEY = "images/web/1.tar.gz";

let service: StorageService;
let connection: Connection;
let journal: string;
let progress: UploadProgress[];

beforeEach(async () => {
  service = await new StorageService().start();
  onTestFinished(() => service.stop());
  connection = await connect({ accessToken: service.token, endpoint: service.endpoint });
  journal = path.join(temporaryDirectory(), "uploads/web.json");
  progress = [];
});

/** The content in pieces that match nothing. */
async function* pieces(content: Buffer = CONTENT): AsyncGenerator<Buffer> {
  for (let at = 0; at < content.length; at += 1_000_003) yield content.subarray(at, at + 1_000_003);
}

interface Change {
  signal?: AbortSignal;
  request?: Partial<typeof REQUEST>;
  open?: () => AsyncIterable<Buffer>;
  way?: Connection;
}

function upload({ signal, request, open = () => pieces(), way = connection }: Change = {}): ReturnType<
  typeof uploadObject
> {
  return uploadObject(
    open,
    way,
    { ...REQUEST, ...request },
    { journal, signal, progress: (how) => progress.push(how) },
  );
}

function expectWhole(): void {
  const object = service.objects.get(KEY);
  expect(object?.content.equals(CONTENT)).toBe(true);
  expect(object).toMatchObject({ contentType: "application/gzip", metadata: { [DIGEST_KEY]: "sha256:1" } });
  expect(service.unfinished).toBe(0);
  expect(existsSync(journal)).toBe(false);
}

async function refused(change?: Change): Promise<string> {
  const error: unknown = await upload(change).catch((thrown: unknown) => thrown);
  expect((error as Error).name).toBe("VisibleError");
  return (error as Error).message;
}

describe("an upload", () => {
  test("arrives byte for byte, in parts", async () => {
    expect(await upload()).toMatchObject({ bucket: "images", name: "web/1.tar.gz", size: CONTENT.length });
    expectWhole();
    expect(service.count("part")).toBe(3);
    expect(progress.at(-1)).toEqual({ sent: CONTENT.length, skipped: 0 });
  });

  test.each([0, 1, PART_SIZE - 1, PART_SIZE, PART_SIZE + 1])("of %i bytes is whole", async (length) => {
    const content = noise(length, 3);
    await upload({ open: () => pieces(content) });
    expect(service.objects.get(KEY)?.content.equals(content)).toBe(true);
  });

  test("is not sent again when it is there", async () => {
    await upload();
    await upload();
    expect(service.count("begin")).toBe(1);
  });

  test("does not touch an object of somebody else's", async () => {
    const object = { content: Buffer.from("mine"), contentType: "text/plain", metadata: {} };
    service.objects.set(KEY, object);
    expect(await refused()).toBe(
      'The bucket "images" has an object "web/1.tar.gz" that somebody else put there. Remove it, or give the upload another "name".',
    );
    expect(service.objects.get(KEY)).toBe(object);
  });

  test("that another was quicker with is that other's, and stays as it is", async () => {
    let quicker: unknown;
    service.gate = async ({ action, count }) => {
      if (action !== "part" || count !== 2) return;
      service.gate = () => undefined;
      await uploadObject(() => pieces(), connection, REQUEST, { journal: `${journal}.other` });
      quicker = service.objects.get(KEY);
    };
    await upload();
    expect(quicker).toBeDefined();
    expect(service.objects.get(KEY) === quicker).toBe(true);
  });

  test("that arrives damaged is removed and made anew", async () => {
    service.fault = ({ action, count }) => (action === "part" && count === 1 ? { spoil: true } : undefined);
    await upload();
    expectWhole();
    expect(service.count("begin")).toBe(2);
  });

  test("that always arrives damaged fails, and leaves no object", async () => {
    service.fault = ({ action }) => (action === "part" ? { spoil: true } : undefined);
    expect(await refused()).toContain("has lost or changed what was uploaded");
    expect(service.objects.size).toBe(0);
  });
});

describe("goes on, whatever happens to one request:", () => {
  const faults: [string, Fault][] = [
    ["a connection cut before", { cut: "before" }],
    ["a connection cut after", { cut: "after" }],
    ["status 503", { status: 503 }],
    ["status 429", { status: 429, reason: "rateLimitExceeded" }],
  ];
  const actions = ["get", "begin", "part", "ask"] as const;
  test.each(faults.flatMap(([name, fault]) => actions.map((action) => [name, action, fault] as const)))(
    "%s, in %s",
    async (_name, action, fault) => {
      service.fault = (call) => {
        if (call.action === action && call.count === 0) return fault;
        // Nothing is asked unless something fails.
        return action === "ask" && call.action === "part" && call.count === 1 ? { cut: "after" } : undefined;
      };
      await upload();
      expect(service.objects.get(KEY)?.content.equals(CONTENT)).toBe(true);
      expect(existsSync(journal)).toBe(false);
    },
  );

  test("a part of which the service keeps only some", async () => {
    service.fault = ({ action, count }) => (action === "part" && count < 3 ? { keep: 600_000 } : undefined);
    await upload();
    expectWhole();
  });

  test("an upload that the service has forgotten, once", async () => {
    service.fault = ({ action, count }) => {
      if (action === "part" && count === 1) service.forgetUploads();
      return undefined;
    };
    await upload();
    expectWhole();
    expect(service.count("begin")).toBe(2);
  });
});

describe("an upload that was interrupted", () => {
  /** Lets an upload fail for good after its first part. */
  async function interrupted(): Promise<void> {
    service.fault = ({ action, count }) => (action === "part" && count === 1 ? { status: 403 } : undefined);
    await refused();
    service.fault = () => undefined;
  }

  test("goes on where it ended, and its address is for its owner only", async () => {
    await interrupted();
    expect(statSync(journal).mode & 0o777).toBe(0o600);
    expect(statSync(path.dirname(journal)).mode & 0o777).toBe(0o700);
    progress = [];
    await upload();
    expectWhole();
    expect(progress.at(-1)).toEqual({ sent: CONTENT.length - PART_SIZE, skipped: PART_SIZE });
    expect(service.count("begin")).toBe(1);
  });

  test("begins anew when the content is another", async () => {
    await interrupted();
    const other = noise(PART_SIZE * 2, 9);
    await upload({ open: () => pieces(other), request: { digest: "sha256:2" } });
    expect(service.objects.get(KEY)?.content.equals(other)).toBe(true);
    expect(service.count("begin")).toBe(2);
  });

  test("begins anew when the same content has become other bytes, as with another compressor", async () => {
    await interrupted();
    const other = noise(CONTENT.length, 9);
    await upload({ open: () => pieces(other) });
    expect(service.objects.get(KEY)?.content.equals(other)).toBe(true);
  });

  test("begins anew when there is less of it now", async () => {
    await interrupted();
    const other = noise(1000, 9);
    await upload({ open: () => pieces(other) });
    expect(service.objects.get(KEY)?.content.equals(other)).toBe(true);
  });

  test("is whole already when only its last answer was lost", async () => {
    service.fault = ({ action, count }) =>
      (action === "part" && count === 2) || (action === "ask" && count < 1)
        ? action === "ask"
          ? { status: 403 }
          : { cut: "after" }
        : undefined;
    await refused();
    service.fault = () => undefined;
    await upload();
    expectWhole();
    expect(service.count("part")).toBe(3);
  });
});

test("the signal ends an upload, and nothing of it is left", async () => {
  const controller = new AbortController();
  service.gate = ({ action, count }) => {
    if (action === "part" && count === 1) setImmediate(() => controller.abort(new Error("^C")));
    return action === "part" && count === 1 ? new Promise(() => undefined) : undefined;
  };
  await expect(upload({ signal: controller.signal })).rejects.toThrow("^C");
  expect(service.objects.size).toBe(0);
  expect(service.unfinished).toBe(0);
  expect(readdirSync(path.dirname(journal))).toEqual([]);
});

test("an object is described, and deleted once or twice", async () => {
  await upload();
  expect(await describeObject(connection, REQUEST)).toMatchObject({ size: CONTENT.length });
  await deleteObject(connection, REQUEST);
  await deleteObject(connection, REQUEST);
  expect(await describeObject(connection, REQUEST)).toBeUndefined();
});

describe("what goes wrong is told in one sentence:", () => {
  const denied =
    "web@example.iam.gserviceaccount.com does not have storage.objects.create access to the Google Cloud Storage object. Permission 'storage.objects.create' denied on resource (or it may not exist).";

  test.each<[string, Fault, RegExp]>([
    [
      "a permission",
      { status: 403, reason: "forbidden", message: denied },
      /the permission storage\.objects\.create on the bucket "images" is missing/,
    ],
    [
      "a key's permission",
      { status: 403, reason: "forbidden", message: "Permission 'cloudkms.cryptoKeyVersions.useToEncrypt' denied" },
      /the permission cloudkms\.cryptoKeyVersions\.useToEncrypt/,
    ],
    [
      "billing",
      { status: 403, reason: "accountDisabled", message: "The billing account is disabled" },
      /has no billing account that works/,
    ],
    [
      "a quota that is used up",
      { status: 403, reason: "quotaExceeded", message: "Quota exceeded for egress bandwidth." },
      /^A quota of Google Cloud is used up \(bucket "images"\): Quota exceeded for egress bandwidth\. Wait/,
    ],
    [
      "an API that is off",
      { status: 403, reason: "accessNotConfigured", message: "off" },
      /The Cloud Storage API is turned off/,
    ],
    ["a token that has expired", { status: 401, message: "Invalid Credentials" }, /does not accept the access token/],
  ])("%s", async (_name, fault, sentence) => {
    service.fault = ({ action }) => (action === "begin" ? fault : undefined);
    expect(await refused()).toMatch(sentence);
  });

  test("a bucket that does not exist", async () => {
    expect(await refused({ request: { bucket: "nowhere" } })).toMatch(/^There is no bucket "nowhere"\. Make one/);
  });

  test("an object that the bucket must keep", async () => {
    await upload();
    service.fault = () => ({ status: 403, reason: "retentionPolicyNotMet", message: "Object is subject to retention" });
    await expect(deleteObject(connection, REQUEST)).rejects.toThrow(/keeps its objects by a retention policy/);
  });

  test.each<[string, ConnectionSettings, RegExp]>([
    ["credentials that are no JSON", { credentials: '{"private_key": "hush' }, /are not valid JSON/],
    ["a key file that is not there", { credentials: "/nowhere/key.json" }, /\/nowhere\/key\.json/],
  ])("%s", async (_name, settings, sentence) => {
    const way = await connect({ ...settings, endpoint: service.endpoint });
    const message = await refused({ way });
    expect(message).toMatch(sentence);
    expect(message).not.toContain("hush");
  });

  test.each<[string, Fault, RegExp]>([
    [
      "a service that always fails",
      { status: 503 },
      /^Cloud Storage fails again and again \(bucket "images", status 503\)/,
    ],
    [
      "a service that always asks for fewer requests, though by another status",
      { status: 403, reason: "rateLimitExceeded", message: "Slow down." },
      /^Cloud Storage still asks for fewer requests to the bucket "images" after many attempts: Slow down\./,
    ],
    [
      "a service that always asks for fewer requests",
      { status: 429, reason: "rateLimitExceeded", message: "Slow down." },
      /^Cloud Storage still asks for fewer requests to the bucket "images" after many attempts: Slow down\./,
    ],
    ["a connection that always breaks", { cut: "before" }, /^The connection to Google Cloud broke again and again/],
  ])("%s in mid-upload", async (_name, fault, sentence) => {
    // Pauses between attempts are random; this does without them.
    vi.spyOn(Math, "random").mockReturnValue(0);
    onTestFinished(() => void vi.restoreAllMocks());
    service.fault = ({ action, count }) => (action === "ask" || (action === "part" && count > 0) ? fault : undefined);
    expect(await refused()).toMatch(sentence);
    service.fault = () => undefined;
    await upload();
    expectWhole();
    expect(service.count("begin"), "and the next upload goes on").toBe(1);
  });
});

describe("credentials", () => {
  let tokens: TokenService;
  beforeEach(async () => {
    tokens = await new TokenService().start();
    onTestFinished(() => tokens.stop());
  });

  const way = (settings: ConnectionSettings): Promise<Connection> =>
    connect({ ...settings, endpoint: service.endpoint });

  test("of a person and of a service account are taken, and its account is acted as", async () => {
    const deploy = "deploy@shop.iam.gserviceaccount.com";
    tokens.impersonated.add(deploy);
    for (const settings of [
      { credentials: tokens.userCredentials },
      { credentials: tokens.serviceAccountKey },
      { credentials: tokens.userCredentials, impersonateServiceAccount: deploy },
    ]) {
      await upload({ way: await way(settings) });
      expectWhole();
      service.objects.clear();
    }
  });

  test("that have expired, or were withdrawn", async () => {
    tokens.refreshTokens.clear();
    expect(await refused({ way: await way({ credentials: tokens.userCredentials }) })).toMatch(
      /^The Google Cloud credentials have expired or were withdrawn\. Sign in again, .*gcloud auth application-default login/,
    );
    expect(service.calls).toEqual([]);
  });

  test.each([
    ["behind", 2 * 3_600_000],
    ["ahead", -2 * 3_600_000],
  ])("of a machine whose clock is %s", async (_how, ahead) => {
    tokens.clockAheadMs = ahead;
    expect(await refused({ way: await way({ credentials: tokens.serviceAccountKey }) })).toMatch(
      /^Google Cloud does not accept the time of this machine, \d{4}-.*reasonable timeframe.* Set its clock right, for example by turning NTP on\./,
    );
    expect(service.calls).toEqual([]);
  });

  test("with which another account may not be acted as", async () => {
    const settings = {
      credentials: tokens.userCredentials,
      impersonateServiceAccount: "deploy@p.iam.gserviceaccount.com",
    };
    expect(await refused({ way: await way(settings) })).toMatch(
      /^The service account cannot be impersonated: .* It takes the permission iam\.serviceAccounts\.getAccessToken/,
    );
  });
});

test.each(["CERT_NOT_YET_VALID", "CERT_HAS_EXPIRED"])(
  "a certificate refused for its time (%s) tells of the clock",
  (code) => {
    const cause = Object.assign(new Error("certificate is not yet valid"), { code });
    const told = explain(new TypeError("fetch failed", { cause }), { permission: "p", bucket: "images" });
    expect((told as Error).message).toMatch(
      /^The certificate of Google Cloud is not valid at the time of this machine, \d{4}-/,
    );
  },
);
