import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { EBS, type EBSClientConfig } from "@aws-sdk/client-ebs";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { noise } from "../../testing/disk.js";
import { EbsService } from "../testing/ebs-service.js";
import { BlockSender } from "./block-sender.js";
import { BLOCK_SIZE, sha256 } from "./blocks.js";

const region = "eu-central-1";
const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "example", sessionToken: "token" };
const block = noise(BLOCK_SIZE, 7);
const digest = sha256(block);
const never = new AbortController().signal;
const snapshotId = `snap-${"0".repeat(17)}`;

interface Answer {
  status: number;
  headers?: Record<string, string>;
  body?: string;
}

/** What was asked of the server, without what differs from one request to the next. */
interface Asked {
  line: string;
  headers: object;
  body: Buffer;
}

let asked: Asked[];
let answer: Answer;
let connections: number;
let endpoint: string;

beforeEach(async () => {
  asked = [];
  answer = { status: 201 };
  connections = 0;
  const server = createServer((request, response) => void serve(request, response));
  server.on("connection", () => connections++);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
});

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body: Buffer[] = [];
  for await (const piece of request) body.push(piece as Buffer);
  const { authorization = "", "x-amz-date": _date, "amz-sdk-invocation-id": _id, ...headers } = request.headers;
  delete headers["amz-sdk-request"];
  const scope = /Credential=([^,]+)/.exec(authorization)?.[1];
  asked.push({ line: `${request.method} ${request.url}`, headers: { ...headers, scope }, body: Buffer.concat(body) });
  response.writeHead(answer.status, answer.headers).end(answer.body);
}

function client(config: EBSClientConfig = {}): EBS {
  const ebs = new EBS({ region, credentials, endpoint, maxAttempts: 1, ...config });
  onTestFinished(() => ebs.destroy());
  return ebs;
}

/** As the SDK sends a block when it is left to itself. */
function bySdk(ebs: EBS, index: number): Promise<unknown> {
  return ebs.putSnapshotBlock({
    SnapshotId: snapshotId,
    BlockIndex: index,
    BlockData: block,
    DataLength: BLOCK_SIZE,
    Checksum: digest.toString("base64"),
    ChecksumAlgorithm: "SHA256",
  });
}

async function thrownBy(work: Promise<unknown>): Promise<object> {
  return await work.then(
    () => expect.fail("it did not throw"),
    (error: unknown) => error as object,
  );
}

describe("a block", () => {
  test.each(["", "/behind/a/gateway/0"])(
    'is sent as the SDK would send it, to an endpoint with the path "%s"',
    async (path) => {
      const ebs = client({ endpoint: endpoint + path });
      const sender = new BlockSender({ ebs }, snapshotId);
      for (const index of [0, 10, 2047]) {
        await sender.send(index, block, digest, never);
        await bySdk(ebs, index);
      }
      expect(asked.map(({ line }) => line)).toEqual(
        [0, 0, 10, 10, 2047, 2047].map((index) => `PUT ${path}/snapshots/${snapshotId}/blocks/${index}`),
      );
      for (let i = 0; i < asked.length; i += 2) expect(asked[i]?.headers).toEqual(asked[i + 1]?.headers);
      for (const { body } of asked) expect(body.equals(block)).toBe(true);
    },
  );

  test("leaves its connection to the next one, taken or refused", async () => {
    const sender = new BlockSender({ ebs: client() }, snapshotId);
    for (let index = 0; index < 4; index++) {
      answer = index % 2 ? { status: 503, body: "busy" } : { status: 201 };
      await sender.send(index, block, digest, never).catch(() => undefined);
    }
    expect(asked).toHaveLength(4);
    expect(connections).toBe(1);
  });

  test("is signed with the credentials of the moment", async () => {
    const service = await new EbsService().start();
    onTestFinished(() => service.stop());
    // They are always about to expire.
    const provider = async () => ({ ...service.key, expiration: new Date(Date.now() + 1000) });
    const ebs = client({ endpoint: service.endpoint, credentials: provider });
    const { SnapshotId: id = "" } = await ebs.startSnapshot({ VolumeSize: 1 });
    const sender = new BlockSender({ ebs }, id);
    await sender.send(0, block, digest, never);
    service.key.accessKeyId = "AKIDRENEWED";
    service.key.secretAccessKey = "renewed";
    await sender.send(1, block, digest, never);
    expect([...service.contents(id).keys()]).toEqual([0, 1]);
  });

  test("is sent when there are credentials at last", async () => {
    let found = false;
    const provider = async () => {
      if (!found) throw Object.assign(new Error("none yet"), { name: "CredentialsProviderError" });
      return credentials;
    };
    const sender = new BlockSender({ ebs: client({ credentials: provider }) }, snapshotId);
    expect(await thrownBy(sender.send(0, block, digest, never))).toMatchObject({ name: "CredentialsProviderError" });
    found = true;
    await sender.send(0, block, digest, never);
    expect(asked).toHaveLength(1);
  });

  test("that is called off is no longer waited for", async () => {
    const sender = new BlockSender({ ebs: client() }, snapshotId);
    const controller = new AbortController();
    const sent = sender.send(0, block, digest, controller.signal);
    controller.abort(new Error("interrupted"));
    expect(await thrownBy(sent)).toMatchObject({ name: "AbortError" });
  });
});

test.each<[string, Answer]>([
  ["with its code in a header", { status: 403, headers: { "x-amzn-errortype": "AccessDeniedException" } }],
  [
    "with a URI behind its code",
    { status: 400, headers: { "x-amzn-errortype": "ValidationException:http://internal.amazon.com/coral/" } },
  ],
  [
    "with its code in the body",
    { status: 400, body: '{"code":"RequestThrottledException","message":"Rate exceeded"}' },
  ],
  [
    "with its code in a name space",
    {
      status: 404,
      body: '{"__type":"com.amazon.ebs#ResourceNotFoundException","Message":"Gone","Reason":"SNAPSHOT_NOT_FOUND"}',
    },
  ],
  [
    "with a reason",
    {
      status: 403,
      headers: { "x-amzn-errortype": "AccessDeniedException", "x-amzn-requestid": "1-2-3" },
      body: '{"Message":"The key may not be used","Reason":"DEPENDENCY_ACCESS_DENIED"}',
    },
  ],
  [
    "of a kind that is new",
    { status: 418, headers: { "x-amzn-errortype": "TeapotException" }, body: '{"message":"short"}' },
  ],
])("a refusal %s is the error that the SDK makes of it", async (_what, refused) => {
  answer = refused;
  const ebs = client();
  const expected = (await thrownBy(bySdk(ebs, 0))) as Record<string, unknown>;
  const { $metadata, Reason } = expected as {
    $metadata: { httpStatusCode: number; requestId?: string };
    Reason?: string;
  };
  const error = (await thrownBy(new BlockSender({ ebs }, snapshotId).send(0, block, digest, never))) as Error;
  expect(error).toMatchObject({
    name: expected["name"],
    Reason,
    $metadata: { httpStatusCode: $metadata.httpStatusCode, requestId: $metadata.requestId },
  });
  if (refused.body) expect(error.message).toBe(expected["message"]);
});

test("an answer that is not AWS's is told by its status", async () => {
  answer = { status: 502, headers: { "content-type": "text/html" }, body: "<h1>Bad Gateway</h1>" };
  const error = await thrownBy(new BlockSender({ ebs: client() }, snapshotId).send(0, block, digest, never));
  expect(error).toMatchObject({
    message: expect.stringContaining("502") as string,
    $metadata: { httpStatusCode: 502 },
  });
});
