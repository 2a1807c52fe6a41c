import { createHash, randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { LoopbackService } from "../../testing/loopback-service.js";

/** An object as the service keeps it. */
export interface KeptObject {
  content: Buffer;
  contentType: string;
  metadata: { [name: string]: string };
}

type Action = "get" | "begin" | "part" | "ask" | "cancel" | "delete";

/** What was asked of the service. */
export interface Call {
  action: Action;
  /** How many such calls came before. */
  count: number;
}

/** Makes the service misbehave for one request. */
export type Fault =
  /** Breaks the connection: before it has done what was asked, or after. */
  | { cut: "before" | "after" }
  | { status: number; reason?: string; message?: string }
  /** Keeps only so many bytes of a part. */
  | { keep: number }
  /** Keeps other bytes than were sent. */
  | { spoil: true };

interface Session {
  bucket: string;
  name: string;
  contentType: string;
  metadata: { [name: string]: string };
  ifGenerationMatch: string | null;
  arrived: Buffer[];
  done?: string;
}

const UNIT = 256 * 1024;
const OBJECT_PATH = /^\/storage\/v1\/b\/([^/]+)\/o\/([^/]+)$/;
const UPLOAD_PATH = /^\/upload\/storage\/v1\/b\/([^/]+)\/o$/;
const SESSION_PATH = /^\/session\/([0-9a-f]+)$/;

class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly reason: string,
    message: string,
  ) {
    super(message);
  }
}

/**
 * Cloud Storage's JSON API, as far as objects and resumable uploads go, written from Google's documentation, not from what the uploader does: it refuses
 * whatever that says is refused. It keeps objects, so that what arrived can be read back.
 *
 * @see https://cloud.google.com/storage/docs/performing-resumable-uploads
 * @see https://cloud.google.com/storage/docs/json_api/v1/status-codes
 */
export class StorageService extends LoopbackService {
  /** By `bucket/name`. */
  readonly objects = new Map<string, KeptObject>();
  readonly buckets = new Set(["images"]);
  readonly calls: Call[] = [];
  readonly token = "ya29.example";
  /** What whoever has the token may do. */
  permissions: ReadonlySet<string> = new Set(
    ["create", "delete", "get", "list"].map((verb) => `storage.objects.${verb}`),
  );
  /** Decides about each request; undefined lets it pass. */
  fault: (call: Call) => Fault | undefined = () => undefined;
  /** Holds an answer back until the promise is fulfilled. */
  gate: (call: Call) => Promise<void> | undefined = () => undefined;
  readonly #sessions = new Map<string, Session>();

  count(action: Action): number {
    return this.calls.filter((call) => call.action === action).length;
  }

  /** Uploads that are neither whole nor cancelled. */
  get unfinished(): number {
    return [...this.#sessions.values()].filter(({ done }) => done === undefined).length;
  }

  /** Forgets uploads, as the service does after a week. */
  forgetUploads(): void {
    this.#sessions.clear();
  }

  protected override async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.on("error", () => undefined);
    const body: Buffer[] = [];
    try {
      for await (const piece of request) body.push(piece as Buffer);
    } catch {
      return;
    }
    const url = new URL(request.url ?? "", this.endpoint);
    const action = actionOf(request, url);
    const call = { action, count: this.count(action) };
    this.calls.push(call);
    await this.gate(call);
    const fault = this.fault(call);
    if (fault && "cut" in fault && fault.cut === "before") return void request.socket.destroy();
    try {
      if (fault && "status" in fault) throw new Refusal(fault.status, fault.reason ?? "", fault.message ?? "as told");
      const answer = this.#answer(action, request, url, Buffer.concat(body), fault);
      if (fault && "cut" in fault) return void request.socket.destroy();
      response
        .writeHead(answer.status, answer.headers)
        .end(answer.body === undefined ? "" : JSON.stringify(answer.body));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const { status: code, reason, message } = error;
      response.writeHead(code, { "content-type": "application/json" });
      response.end(JSON.stringify({ error: { code, message, errors: [{ domain: "global", reason, message }] } }));
    }
  }

  #answer(action: Action, request: IncomingMessage, url: URL, body: Buffer, fault: Fault | undefined): Answer {
    const [, id] = SESSION_PATH.exec(url.pathname) ?? [];
    if (id !== undefined) return this.#upload(action, request, id, body, fault);
    if (request.headers.authorization !== `Bearer ${this.token}`)
      throw new Refusal(401, "authError", "Invalid Credentials");
    if (action === "begin") return this.#begin(request, url, body);
    const [, bucket = "", name = ""] = (OBJECT_PATH.exec(url.pathname) ?? []).map(decodeURIComponent);
    if (!this.buckets.has(bucket)) throw new Refusal(404, "notFound", "The specified bucket does not exist.");
    const key = `${bucket}/${name}`;
    const object = this.objects.get(key);
    this.#checkPermission(`storage.objects.${action}`);
    // Who may not list objects is not told which there are not.
    if (object === undefined) this.#checkPermission("storage.objects.list", `storage.objects.${action}`);
    if (object === undefined) throw new Refusal(404, "notFound", `No such object: ${key}`);
    if (action === "get") return { status: 200, body: resource(bucket, name, object) };
    this.objects.delete(key);
    return { status: 204 };
  }

  #begin(request: IncomingMessage, url: URL, body: Buffer): Answer {
    const [, bucket = ""] = (UPLOAD_PATH.exec(url.pathname) ?? []).map(decodeURIComponent);
    const [type, name] = [url.searchParams.get("uploadType"), url.searchParams.get("name")];
    if (type !== "resumable" || !name) throw new Refusal(400, "required", "Required");
    if (!/^application\/json(;|$)/.test(request.headers["content-type"] ?? ""))
      throw new Refusal(400, "badContent", "Unsupported content with type");
    if (!this.buckets.has(bucket)) throw new Refusal(404, "notFound", "The specified bucket does not exist.");
    this.#checkPermission("storage.objects.create");
    const given = JSON.parse(body.toString()) as {
      name?: string;
      metadata?: Session["metadata"];
      contentType?: string;
    };
    if (given.name !== undefined && given.name !== name) throw new Refusal(400, "invalid", "names differ");
    for (const [key, value] of Object.entries(given.metadata ?? {}))
      if (typeof value !== "string") throw new Refusal(400, "invalid", `Invalid value for metadata ${key}`);
    const ifGenerationMatch = url.searchParams.get("ifGenerationMatch");
    const session: Session = {
      ...{ bucket, name, ifGenerationMatch, arrived: [], metadata: given.metadata ?? {} },
      contentType: given.contentType ?? request.headers["x-upload-content-type"]?.toString() ?? "",
    };
    this.#checkPrecondition(session);
    const id = randomBytes(8).toString("hex");
    this.#sessions.set(id, session);
    return { status: 200, headers: { location: `${this.endpoint}/session/${id}` } };
  }

  #upload(action: Action, request: IncomingMessage, id: string, body: Buffer, fault: Fault | undefined): Answer {
    const session = this.#sessions.get(id);
    if (session === undefined) throw new Refusal(404, "notFound", "Not Found");
    if (action === "cancel") {
      this.#sessions.delete(id);
      throw new Refusal(499, "", "Client Closed Request");
    }
    if (session.done !== undefined) {
      const object = this.objects.get(session.done);
      if (object === undefined) throw new Refusal(410, "gone", "Gone");
      return { status: 200, body: resource(session.bucket, session.name, object) };
    }
    const header = request.headers["content-range"];
    const [, first, last, all] = /^bytes (?:(\d+)-(\d+)|\*)\/(\d+|\*)$/.exec(header ?? "") ?? [];
    if (all === undefined) throw new Refusal(400, "badRequest", `Failed to parse Content-Range header: ${header}`);
    const total = all === "*" ? undefined : Number(all);
    const arrived = session.arrived.reduce((sum, piece) => sum + piece.length, 0);
    if (first !== undefined) {
      const [start, end] = [Number(first), Number(last) + 1];
      if (end - start !== body.length)
        throw new Refusal(400, "badRequest", "Content-Range and the body's length differ");
      if (start > arrived) throw new Refusal(400, "invalid", `the upload offset ${start} exceeds ${arrived}`);
      if (total === undefined && body.length % UNIT !== 0)
        throw new Refusal(400, "invalid", "a part that is not the last must be a multiple of 256 KiB");
      if (total !== undefined && end !== total)
        throw new Refusal(400, "invalid", "not the last part, but with a total");
      const fresh = body.subarray(arrived - start);
      const kept = fault && "keep" in fault ? fresh.subarray(0, fault.keep - (fault.keep % UNIT)) : fresh;
      session.arrived.push(fault && "spoil" in fault ? Buffer.alloc(kept.length) : Buffer.from(kept));
    } else if (body.length > 0) throw new Refusal(400, "badRequest", "a body without a range");
    const size = session.arrived.reduce((sum, piece) => sum + piece.length, 0);
    if (total === undefined || size < total)
      return { status: 308, headers: size === 0 ? {} : { range: `bytes=0-${size - 1}` } };
    if (size > total) throw new Refusal(400, "invalid", "more has arrived than there is");
    this.#checkPrecondition(session);
    const { bucket, name, contentType, metadata } = session;
    session.done = `${bucket}/${name}`;
    const object = { content: Buffer.concat(session.arrived), contentType, metadata };
    this.objects.set(session.done, object);
    return { status: 200, body: resource(bucket, name, object) };
  }

  #checkPermission(needed: string, named = needed): void {
    if (this.permissions.has(needed)) return;
    const reason = `Permission '${named}' denied on resource (or it may not exist).`;
    throw new Refusal(403, "forbidden", `web@example.iam.gserviceaccount.com does not have ${named} access. ${reason}`);
  }

  #checkPrecondition({ bucket, name, ifGenerationMatch }: Session): void {
    if (ifGenerationMatch !== null && ifGenerationMatch !== "0") throw new Refusal(400, "invalid", "not known here");
    if (ifGenerationMatch === "0" && this.objects.has(`${bucket}/${name}`))
      throw new Refusal(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.");
  }
}

interface Answer {
  status: number;
  headers?: Record<string, string>;
  body?: object;
}

function actionOf({ method, headers }: IncomingMessage, { pathname }: URL): Action {
  if (SESSION_PATH.test(pathname)) {
    if (method === "DELETE") return "cancel";
    return headers["content-range"] === "bytes */*" ? "ask" : "part";
  }
  if (method === "POST" && UPLOAD_PATH.test(pathname)) return "begin";
  return method === "DELETE" ? "delete" : "get";
}

function resource(bucket: string, name: string, { content, contentType, metadata }: KeptObject): object {
  return {
    kind: "storage#object",
    ...{ bucket, name, contentType, metadata },
    size: String(content.length),
    md5Hash: createHash("md5").update(content).digest("base64"),
  };
}
