import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { LoopbackService } from "../../testing/loopback-service.js";
import { checkSignature, scopeOf, type Key, type SignedRequest } from "./signature.js";

/** A snapshot as the service keeps it. */
export interface StoredSnapshot {
  id: string;
  status: "pending" | "completed" | "error";
  /** Id of the account that it is in. */
  owner: string;
  volumeSize: number;
  parent?: string;
  encrypted: boolean;
  kmsKeyArn?: string;
  description: string;
  tags: Map<string, string>;
  token?: string;
  /** What it was started with, to tell a repeated request from another with the same token. */
  request: string;
  /** What was written to it, by block; a child has its parent's blocks beside these. */
  blocks: Map<number, Buffer>;
  /** Whether an image is made of it. */
  usedBy?: string;
}

/** Makes the service misbehave for one request. */
export type Fault =
  /** Breaks the connection: before it has read the request, or after it has done what was asked. */
  { cut: "before" | "after" } | { status: number; code: string; message?: string; reason?: string };

/** Whose requests the service takes. */
interface Caller {
  key: Key;
  account: string;
}

/** A role that was taken on, and how. */
export interface AssumedSession {
  /** The access key that asked for it. */
  by: string;
  request: { [name: string]: string };
}

/** What was asked of the service. */
export interface Call {
  action: string;
  region: string;
  /** The block's index, for `PutSnapshotBlock`. */
  block?: number;
  /** How many such calls came before. */
  count: number;
}

/** The account that the service's own key is of. */
export const ACCOUNT = "123456789012";
const BLOCK_SIZE = 524_288;
const SNAPSHOT_PATH = /^\/snapshots(?:\/(snap-[0-9a-f]{17})(?:\/blocks\/(\d+))?)?$/;
const COMPLETION_PATH = /^\/snapshots\/completion\/(snap-[0-9a-f]{17})$/;

/**
 * The EBS direct APIs and what belongs to them of EC2's and of STS, written from AWS's documentation, not from what the uploader does: it refuses whatever
 * that says is refused. It keeps blocks, so that what arrived can be read back.
 *
 * @see https://docs.aws.amazon.com/ebs/latest/APIReference/
 */
export class EbsService extends LoopbackService {
  readonly snapshots = new Map<string, StoredSnapshot>();
  readonly calls: Call[] = [];
  /** The key of an identity in {@link ACCOUNT}. */
  readonly key: Key = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" };
  /** Decides about each request; undefined lets it pass. */
  fault: (call: Call) => Fault | undefined = () => undefined;
  /** Holds an answer back until the promise is fulfilled. */
  gate: (call: Call) => Promise<void> | undefined = () => undefined;
  /** What the service's clock is ahead of this machine's. */
  clockAheadMs = 0;
  /** How often a snapshot is described as pending after its completion. */
  slowCompletion = 0;
  /** The most requests that were being served at once. */
  mostAtOnce = 0;
  #serving = 0;
  /** The roles that were taken on. */
  readonly assumed: AssumedSession[] = [];
  readonly #others = new Map<string, Caller>();
  #describedPending = new Map<string, number>();

  constructor() {
    super(60_000);
  }

  /** A key of another account, which does not see this one's snapshots. */
  addKey(account: string): Key {
    const key = { accessKeyId: `AKID${account}`, secretAccessKey: `secret of ${account}` };
    this.#others.set(key.accessKeyId, { key, account });
    return { ...key };
  }

  /** How often something was asked. */
  count(action: string): number {
    return this.calls.filter((call) => call.action === action).length;
  }

  /** A snapshot's blocks together with those that it has from its parents; zero where there are none. */
  contents(id: string): Map<number, Buffer> {
    const snapshot = this.snapshots.get(id);
    if (snapshot === undefined) throw new Error(`there is no snapshot ${id}`);
    const inherited = snapshot.parent === undefined ? [] : this.contents(snapshot.parent);
    return new Map([...inherited, ...snapshot.blocks]);
  }

  /** The bytes of a range of the volume that a snapshot would become. */
  bytes(id: string, offset: number, length: number): Buffer {
    const result = Buffer.alloc(length);
    for (const [index, block] of this.contents(id)) {
      const at = index * BLOCK_SIZE - offset;
      if (at < length && at + BLOCK_SIZE > 0) block.copy(result, Math.max(0, at), Math.max(0, -at));
    }
    return result;
  }

  protected override async serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#serving);
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of message) chunks.push(chunk as Buffer);
      const body = Buffer.concat(chunks);
      const request: SignedRequest = {
        method: message.method ?? "",
        url: message.url ?? "",
        headers: message.headers,
        body,
      };
      await this.#answer(request, response);
    } catch {
      // The client went away, or the answer below has been cut off.
      message.destroy();
    } finally {
      this.#serving--;
    }
  }

  async #answer(request: SignedRequest, response: ServerResponse): Promise<void> {
    const { region, service } = scopeOf(request);
    const query = service === "ec2" || service === "sts" ? new URLSearchParams(request.body.toString()) : undefined;
    const action = query?.get("Action") ?? ebsAction(request);
    const block = action === "PutSnapshotBlock" ? Number(SNAPSHOT_PATH.exec(request.url)?.[2]) : undefined;
    const call: Call = { action, region, count: this.count(action), ...(block !== undefined && { block }) };
    this.calls.push(call);
    await this.gate(call);
    const fault = this.fault(call);
    const now = Date.now() + this.clockAheadMs;
    response.setHeader("date", new Date(now).toUTCString());
    const caller = this.#callerOf(request);
    if (fault && "cut" in fault) {
      if (fault.cut === "after") this.#act(action, request, query, caller);
      response.destroy();
      return;
    }
    let answer: Answer;
    const signature = checkSignature(request, caller.key, now);
    try {
      if (fault) throw new Refusal(fault.status, fault.code, fault.message ?? "", fault.reason);
      if (signature) throw new Refusal(403, signature.code, signature.message);
      answer = this.#act(action, request, query, caller);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      answer = query ? error.asXml() : error.asJson();
    }
    response.writeHead(answer.status, answer.headers).end(answer.body);
  }

  #callerOf(request: SignedRequest): Caller {
    const [, id = ""] = /Credential=([^/]+)/.exec(String(request.headers["authorization"])) ?? [];
    return this.#others.get(id) ?? { key: this.key, account: ACCOUNT };
  }

  #act(action: string, request: SignedRequest, query: URLSearchParams | undefined, caller: Caller): Answer {
    if (query) return this.#ec2(action, query, caller);
    const header = (name: string): string => String(request.headers[name] ?? "");
    switch (action) {
      case "StartSnapshot":
        return this.#start(parseJson(request.body), caller);
      case "PutSnapshotBlock": {
        const [, id = "", index = ""] = SNAPSHOT_PATH.exec(request.url) ?? [];
        for (const needed of ["x-amz-checksum", "x-amz-checksum-algorithm"]) {
          if (!scopeOf(request).signedHeaders.includes(needed))
            throw invalid("INVALID_PARAMETER_VALUE", `${needed} is not signed`);
        }
        return this.#put(id, Number(index), request.body, header);
      }
      case "CompleteSnapshot":
        return this.#complete(COMPLETION_PATH.exec(request.url)?.[1] ?? "", header);
      default:
        throw new Refusal(404, "UnknownOperationException", `${request.method} ${request.url}`);
    }
  }

  #start(input: Record<string, unknown>, { account }: Caller): Answer {
    const { VolumeSize: size, ParentSnapshotId: parentId, Encrypted: encrypted, KmsKeyArn: kmsKeyArn } = input;
    const { ClientToken: token, Timeout: timeout, Tags: tags = [], Description: description = "" } = input;
    const known = [
      "VolumeSize",
      "ParentSnapshotId",
      "Encrypted",
      "KmsKeyArn",
      "ClientToken",
      "Timeout",
      "Tags",
      "Description",
    ];
    for (const name of Object.keys(input))
      if (!known.includes(name)) throw invalid("INVALID_PARAMETER_VALUE", `"${name}"`);
    if (!Number.isInteger(size) || Number(size) < 1 || Number(size) > 65_536)
      throw invalid("INVALID_VOLUME_SIZE", `${String(size)} GiB`);
    if (timeout !== undefined && !(Number(timeout) >= 10 && Number(timeout) <= 60))
      throw invalid("INVALID_PARAMETER_VALUE", "Timeout");
    if (token !== undefined && !(typeof token === "string" && /^[\S]{1,255}$/.test(token)))
      throw invalid("INVALID_PARAMETER_VALUE", "ClientToken");
    if (typeof description !== "string" || description.length > 255)
      throw invalid("INVALID_PARAMETER_VALUE", "Description");
    if (parentId !== undefined && encrypted !== undefined)
      throw invalid("INVALID_PARAMETER_VALUE", "ParentSnapshotId with Encrypted");
    if (kmsKeyArn !== undefined && encrypted !== true)
      throw invalid("INVALID_PARAMETER_VALUE", "KmsKeyArn without Encrypted");
    if (!Array.isArray(tags) || tags.length > 50) throw invalid("INVALID_TAG", "at most 50 tags");
    const tagMap = new Map<string, string>();
    for (const { Key, Value } of tags as { Key: string; Value: string }[]) {
      if (typeof Key !== "string" || Key.length < 1 || Key.length > 127 || Key.startsWith("aws:"))
        throw invalid("INVALID_TAG", Key);
      if (typeof Value !== "string" || Value.length > 255) throw invalid("INVALID_TAG", Value);
      tagMap.set(Key, Value);
    }

    const request = JSON.stringify(input);
    const same = [...this.snapshots.values()].find((snapshot) => token !== undefined && snapshot.token === token);
    if (same) {
      if (same.request !== request)
        throw new Refusal(
          503,
          "ConflictException",
          "The request uses the same client token as a previous, but non-identical request.",
        );
      return startAnswer(same);
    }
    const parent = parentId === undefined ? undefined : this.#snapshot(parentId as string);
    if (parent && parent.status !== "completed") throw invalid("INVALID_SNAPSHOT_ID", "The parent is not completed");
    if (parent && parent.volumeSize > Number(size)) throw invalid("INVALID_VOLUME_SIZE", "smaller than the parent's");
    const keyArn = parent?.kmsKeyArn ?? (kmsKeyArn as string | undefined);
    const snapshot: StoredSnapshot = {
      id: `snap-${createHash("sha256").update(`${this.snapshots.size} ${Math.random()}`).digest("hex").slice(0, 17)}`,
      status: "pending",
      owner: account,
      volumeSize: Number(size),
      ...(parent && { parent: parent.id }),
      encrypted: parent?.encrypted ?? encrypted === true,
      ...(keyArn !== undefined && { kmsKeyArn: keyArn }),
      description,
      tags: tagMap,
      ...(token !== undefined && { token }),
      request,
      blocks: new Map(),
    };
    this.snapshots.set(snapshot.id, snapshot);
    return startAnswer(snapshot);
  }

  #put(id: string, index: number, body: Buffer, header: (name: string) => string): Answer {
    const snapshot = this.#snapshot(id);
    if (snapshot.status !== "pending") throw invalid("INVALID_SNAPSHOT_ID", "The snapshot is not in the pending state");
    if (header("content-length") !== String(BLOCK_SIZE))
      throw invalid("INVALID_CONTENT_ENCODING", `Content-Length ${header("content-length")}`);
    if (header("x-amz-data-length") !== String(BLOCK_SIZE))
      throw invalid("INVALID_BLOCK", `Data-Length ${header("x-amz-data-length")}`);
    if (body.length !== BLOCK_SIZE) throw invalid("INVALID_BLOCK", `${body.length} bytes`);
    if (index >= snapshot.volumeSize * 2048) throw invalid("INVALID_BLOCK", `block ${index} is beyond the volume`);
    const progress = header("x-amz-progress");
    if (progress !== "" && !(Number(progress) >= 0 && Number(progress) <= 100))
      throw invalid("INVALID_PARAMETER_VALUE", "Progress");
    if (header("x-amz-checksum-algorithm") !== "SHA256") throw invalid("INVALID_PARAMETER_VALUE", "ChecksumAlgorithm");
    const checksum = digest(body).toString("base64");
    if (header("x-amz-checksum") !== checksum) throw invalid("INVALID_BLOCK", "The checksums do not correspond");
    snapshot.blocks.set(index, body);
    return { status: 201, headers: { "x-amz-checksum": checksum, "x-amz-checksum-algorithm": "SHA256" }, body: "" };
  }

  #complete(id: string, header: (name: string) => string): Answer {
    const snapshot = this.#snapshot(id);
    if (snapshot.status !== "pending") throw invalid("INVALID_SNAPSHOT_ID", "The snapshot is not in the pending state");
    const count = header("x-amz-changedblockscount");
    if (count !== String(snapshot.blocks.size)) {
      throw invalid(
        "INVALID_PARAMETER_VALUE",
        `ChangedBlocksCount ${count}, but ${snapshot.blocks.size} blocks were written`,
      );
    }
    if (header("x-amz-checksum") !== "") {
      if (header("x-amz-checksum-algorithm") !== "SHA256" || header("x-amz-checksum-aggregation-method") !== "LINEAR") {
        throw invalid("INVALID_PARAMETER_VALUE", "a checksum needs its algorithm and its aggregation method");
      }
      const ascending = [...snapshot.blocks].sort(([a], [b]) => a - b).map(([, block]) => digest(block));
      if (header("x-amz-checksum") !== digest(Buffer.concat(ascending)).toString("base64")) {
        throw invalid("INVALID_PARAMETER_VALUE", "The checksum of the snapshot does not correspond");
      }
    }
    snapshot.status = "completed";
    this.#describedPending.set(id, this.slowCompletion);
    return json(202, { Status: "pending" });
  }

  #ec2(action: string, query: URLSearchParams, { key, account }: Caller): Answer {
    switch (action) {
      case "GetCallerIdentity":
        return xml(action, `<GetCallerIdentityResult><Account>${account}</Account></GetCallerIdentityResult>`);
      case "AssumeRole": {
        const { Action: _action, Version: _version, ...request } = Object.fromEntries(query);
        const [, of = ""] = /^arn:aws:iam::(\d{12}):role\//.exec(request["RoleArn"] ?? "") ?? [];
        if (of === "") throw new Refusal(400, "ValidationError", `${request["RoleArn"]} is invalid`);
        this.assumed.push({ by: key.accessKeyId, request });
        const { accessKeyId, secretAccessKey } = this.addKey(of);
        const expiration = new Date(Date.now() + 3_600_000).toISOString();
        return xml(
          action,
          `<AssumeRoleResult><Credentials><AccessKeyId>${accessKeyId}</AccessKeyId><SecretAccessKey>${secretAccessKey}</SecretAccessKey><SessionToken>token</SessionToken><Expiration>${expiration}</Expiration></Credentials></AssumeRoleResult>`,
        );
      }
      case "DescribeSnapshots": {
        const ids = [...query].filter(([name]) => name.startsWith("SnapshotId.")).map(([, id]) => id);
        const items = ids.map((id) => this.#describe(id, account)).join("");
        return xml(action, `<snapshotSet>${items}</snapshotSet>`);
      }
      case "DeleteSnapshot": {
        const id = query.get("SnapshotId") ?? "";
        const { usedBy } = this.#ec2Snapshot(id, account);
        if (usedBy !== undefined) {
          throw new Refusal(400, "InvalidSnapshot.InUse", `The snapshot ${id} is currently in use by ${usedBy}`);
        }
        this.snapshots.delete(id);
        return xml(action, "<return>true</return>");
      }
      case "CreateTags":
      case "DeleteTags": {
        const snapshot = this.#ec2Snapshot(query.get("ResourceId.1") ?? "", account);
        for (let i = 1; query.has(`Tag.${i}.Key`); i++) {
          const name = query.get(`Tag.${i}.Key`) ?? "";
          if (action === "CreateTags") snapshot.tags.set(name, query.get(`Tag.${i}.Value`) ?? "");
          else snapshot.tags.delete(name);
        }
        return xml(action, "<return>true</return>");
      }
      default:
        throw new Refusal(400, "InvalidAction", `The action ${action} is not valid for this web service.`);
    }
  }

  #describe(id: string, account: string): string {
    const snapshot = this.#ec2Snapshot(id, account);
    const left = this.#describedPending.get(id) ?? 0;
    if (left > 0) this.#describedPending.set(id, left - 1);
    const status = snapshot.status === "completed" && left > 0 ? "pending" : snapshot.status;
    const tags = [...snapshot.tags]
      .map(([key, value]) => `<item><key>${key}</key><value>${value}</value></item>`)
      .join("");
    return `<item><snapshotId>${id}</snapshotId><status>${status}</status><ownerId>${snapshot.owner}</ownerId><volumeSize>${snapshot.volumeSize}</volumeSize><encrypted>${snapshot.encrypted}</encrypted><tagSet>${tags}</tagSet></item>`;
  }

  #snapshot(id: string): StoredSnapshot {
    const found = this.snapshots.get(id);
    if (found === undefined) {
      throw new Refusal(404, "ResourceNotFoundException", `The snapshot ${id} does not exist.`, "SNAPSHOT_NOT_FOUND");
    }
    return found;
  }

  #ec2Snapshot(id: string, account: string): StoredSnapshot {
    const found = this.snapshots.get(id);
    if (found?.owner !== account)
      throw new Refusal(400, "InvalidSnapshot.NotFound", `The snapshot '${id}' does not exist.`);
    return found;
  }
}

interface Answer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly reason?: string,
  ) {
    super(message);
  }

  asJson(): Answer {
    const answer = json(this.status, {
      Message: this.message,
      ...(this.reason !== undefined && { Reason: this.reason }),
    });
    return { ...answer, headers: { ...answer.headers, "x-amzn-errortype": this.code } };
  }

  asXml(): Answer {
    const body = `<Response><Errors><Error><Code>${this.code}</Code><Message>${this.message}</Message></Error></Errors><RequestID>r</RequestID></Response>`;
    return { status: this.status, headers: { "content-type": "text/xml" }, body };
  }
}

function invalid(reason: string, message: string): Refusal {
  return new Refusal(400, "ValidationException", message, reason);
}

function startAnswer(snapshot: StoredSnapshot): Answer {
  return json(201, {
    SnapshotId: snapshot.id,
    Status: snapshot.status,
    VolumeSize: snapshot.volumeSize,
    BlockSize: BLOCK_SIZE,
    OwnerId: snapshot.owner,
    StartTime: 1_700_000_000,
    ...(snapshot.parent !== undefined && { ParentSnapshotId: snapshot.parent }),
    ...(snapshot.kmsKeyArn !== undefined && { KmsKeyArn: snapshot.kmsKeyArn }),
  });
}

function ebsAction({ method, url }: SignedRequest): string {
  if (method === "POST" && COMPLETION_PATH.test(url)) return "CompleteSnapshot";
  const [, id, block] = SNAPSHOT_PATH.exec(url) ?? [];
  if (method === "POST" && url === "/snapshots") return "StartSnapshot";
  return method === "PUT" && id !== undefined && block !== undefined ? "PutSnapshotBlock" : "unknown";
}

function parseJson(body: Buffer): Record<string, unknown> {
  return JSON.parse(body.toString()) as Record<string, unknown>;
}

function json(status: number, value: object): Answer {
  return { status, headers: { "content-type": "application/json" }, body: JSON.stringify(value) };
}

function xml(action: string, content: string): Answer {
  const body = `<${action}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r</requestId>${content}</${action}Response>`;
  return { status: 200, headers: { "content-type": "text/xml;charset=UTF-8" }, body };
}

function digest(data: Buffer): Buffer {
  return createHash("sha256").update(data).digest();
}
