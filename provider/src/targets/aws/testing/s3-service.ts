import { createHash, randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { LoopbackService } from "../../testing/loopback-service.js";
import { checkSignature, scopeOf, type Key, type SignedRequest } from "./signature.js";

type Action = "list" | "begin" | "part" | "parts" | "complete" | "abort" | "delete" | "unknown";

/** What was asked of the service. */
export interface S3Call {
  action: Action;
  /** How many such calls came before. */
  count: number;
}

/** Makes the service misbehave for one request. */
export type S3Fault =
  /** Breaks the connection: before it has done what was asked, or after. */
  | { cut: "before" | "after" }
  /** Refuses; with status 200, as completing does when it fails late. */
  | { status: number; code: string; message?: string };

interface Upload {
  bucket: string;
  key: string;
  metadata: Record<string, string>;
  parts: Map<number, { data: Buffer; etag: string; sha256: string }>;
}

/** What the service keeps of an object. */
export interface KeptS3Object {
  content: Buffer;
  metadata: Record<string, string>;
}

const LEAST_PART = 5 * 2 ** 20;

class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message = code,
  ) {
    super(message);
  }
}

/**
 * S3's API, as far as uploads in parts go, written from AWS's documentation, not from what the uploader does: it refuses whatever that says
 * is refused. It keeps objects, so that what arrived can be read back.
 *
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html
 */
export class S3Service extends LoopbackService {
  /** By `bucket/key`. */
  readonly objects = new Map<string, KeptS3Object>();
  /** The buckets, and the regions that they are in. */
  readonly buckets = new Map([["images", "eu-central-1"]]);
  readonly calls: S3Call[] = [];
  /** What the service's clock is ahead of this machine's. */
  clockAheadMs = 0;
  /** Decides about each request; undefined lets it pass. */
  fault: (call: S3Call) => S3Fault | undefined = () => undefined;
  /** Holds an answer back until the promise is fulfilled. */
  gate: (call: S3Call) => Promise<void> | undefined = () => undefined;
  /** Requests that have come and are not answered yet. */
  serving = 0;
  readonly #uploads = new Map<string, Upload>();

  constructor(readonly key: Key) {
    super(60_000);
  }

  count(action: Action): number {
    return this.calls.filter((call) => call.action === action).length;
  }

  /** Uploads that were neither completed nor aborted. */
  get unfinished(): number {
    return this.#uploads.size;
  }

  /** Aborts all uploads, as a bucket's lifecycle rule does after some days. */
  forgetUploads(): void {
    this.#uploads.clear();
  }

  protected override async serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    this.serving++;
    await this.#take(message, response).finally(() => this.serving--);
  }

  async #take(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of message) chunks.push(chunk as Buffer);
    } catch {
      return;
    }
    const { method = "", url = "", headers } = message;
    const request = { method, url, headers, body: Buffer.concat(chunks) };
    const address = new URL(url, this.endpoint);
    const action = actionOf(method, address.searchParams);
    const call = { action, count: this.count(action) };
    this.calls.push(call);
    await this.gate(call);
    const now = Date.now() + this.clockAheadMs;
    response.setHeader("date", new Date(now).toUTCString());
    const fault = this.fault(call);
    if (fault && "cut" in fault && fault.cut === "before") return void message.socket.destroy();
    try {
      if (fault && "status" in fault) throw new Refusal(fault.status, fault.code, fault.message);
      this.#checkSigned(request, now);
      const answer = this.#act(action, request, address);
      if (fault && "cut" in fault) return void message.socket.destroy();
      const body = answer.content === undefined ? "" : `<?xml version="1.0" encoding="UTF-8"?>\n${answer.content}`;
      response.writeHead(answer.status ?? 200, { "content-type": "application/xml", ...answer.headers }).end(body);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const { status, code, message: text } = error;
      response
        .writeHead(status, { "content-type": "application/xml" })
        .end(`<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${text}</Message></Error>`);
    }
  }

  /** S3's own names for what is wrong with a signature. */
  #checkSigned(request: SignedRequest, now: number): void {
    const fault = checkSignature(request, this.key, now);
    if (fault === undefined) {
      if (request.headers["x-amz-content-sha256"] === undefined)
        throw new Refusal(400, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256");
      return;
    }
    if (fault.code === "UnrecognizedClientException")
      throw new Refusal(403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.");
    if (/expired|not yet current/.test(fault.message))
      throw new Refusal(
        403,
        "RequestTimeTooSkewed",
        "The difference between the request time and the current time is too large.",
      );
    throw new Refusal(403, "SignatureDoesNotMatch", fault.message);
  }

  #act(action: Action, request: SignedRequest, { pathname, searchParams: query }: URL): Answer {
    const [bucket = "", ...rest] = pathname.slice(1).split("/").map(decodeURIComponent);
    const key = rest.join("/");
    const region = this.buckets.get(bucket);
    if (region === undefined) throw new Refusal(404, "NoSuchBucket", "The specified bucket does not exist");
    const { region: signedFor } = scopeOf(request);
    if (region !== signedFor)
      throw new Refusal(
        400,
        "AuthorizationHeaderMalformed",
        `The authorization header is malformed; the region '${signedFor}' is wrong; expecting '${region}'`,
      );
    const header = (name: string): string => String(request.headers[name] ?? "");
    switch (action) {
      case "list": {
        const prefix = query.get("prefix") ?? "";
        const found = [...this.objects]
          .filter(([name]) => name.startsWith(`${bucket}/${prefix}`))
          .slice(0, Number(query.get("max-keys") ?? 1000))
          .map(([name, { content }]) =>
            xml("Contents", `${xml("Key", name.slice(bucket.length + 1))}${xml("Size", content.length)}`),
          );
        return { content: xml("ListBucketResult", `${xml("KeyCount", found.length)}${found.join("")}`) };
      }
      case "begin": {
        const id = randomBytes(16).toString("hex");
        const metadata = Object.fromEntries(
          Object.entries(request.headers)
            .filter(([name]) => name.startsWith("x-amz-meta-"))
            .map(([name, value]) => [name.slice("x-amz-meta-".length), String(value)]),
        );
        if (header("x-amz-checksum-algorithm") !== "SHA256")
          throw new Refusal(400, "InvalidRequest", "the checksums of parts are kept only of uploads that name them");
        this.#uploads.set(id, { bucket, key, metadata, parts: new Map() });
        return {
          content: xml(
            "InitiateMultipartUploadResult",
            `${xml("Bucket", bucket)}${xml("Key", key)}${xml("UploadId", id)}`,
          ),
        };
      }
      case "part":
        return this.#put(this.#upload(query, bucket, key), Number(query.get("partNumber")), request.body, header);
      case "parts": {
        const { parts } = this.#upload(query, bucket, key);
        const after = Number(query.get("part-number-marker") ?? 0);
        // Fewer on a page than S3 has, so that there are several.
        const [first, ...rest] = [...parts].filter(([number]) => number > after).sort(([a], [b]) => a - b);
        const [page, more] = [first === undefined ? [] : [first], rest.length > 0];
        const items = page.map(([number, { etag, sha256, data }]) =>
          xml(
            "Part",
            `${xml("PartNumber", number)}${xml("ETag", etag)}${xml("Size", data.length)}${xml("ChecksumSHA256", sha256)}`,
          ),
        );
        const marker = more ? xml("NextPartNumberMarker", page.at(-1)?.[0] ?? 0) : "";
        return { content: xml("ListPartsResult", `${xml("IsTruncated", more)}${marker}${items.join("")}`) };
      }
      case "complete":
        return this.#complete(this.#upload(query, bucket, key), query, request.body.toString());
      case "abort":
        this.#upload(query, bucket, key);
        this.#uploads.delete(query.get("uploadId") ?? "");
        return { status: 204 };
      case "delete":
        this.objects.delete(`${bucket}/${key}`);
        return { status: 204 };
      default:
        throw new Refusal(501, "NotImplemented", `${request.method} ${request.url}`);
    }
  }

  #upload(query: URLSearchParams, bucket: string, key: string): Upload {
    const found = this.#uploads.get(query.get("uploadId") ?? "");
    if (found?.bucket !== bucket || found.key !== key)
      throw new Refusal(404, "NoSuchUpload", "The specified multipart upload does not exist.");
    return found;
  }

  #put(upload: Upload, number: number, data: Buffer, header: (name: string) => string): Answer {
    if (!(Number.isInteger(number) && number >= 1 && number <= 10_000))
      throw new Refusal(400, "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive");
    const sha256 = createHash("sha256").update(data).digest("base64");
    if (header("x-amz-checksum-sha256") === "")
      throw new Refusal(400, "InvalidRequest", "The upload was created using a sha256 checksum.");
    if (header("x-amz-checksum-sha256") !== sha256)
      throw new Refusal(400, "BadDigest", "The SHA256 you specified did not match the calculated checksum.");
    const etag = `"${createHash("md5").update(data).digest("hex")}"`;
    upload.parts.set(number, { data, etag, sha256 });
    return { headers: { etag, "x-amz-checksum-sha256": sha256 } };
  }

  #complete(upload: Upload, query: URLSearchParams, body: string): Answer {
    const named = [...body.matchAll(/<Part>(.*?)<\/Part>/gs)].map(([, part = ""]) => {
      const field = (name: string): string => new RegExp(`<${name}>(.*?)</${name}>`).exec(part)?.[1] ?? "";
      return {
        number: Number(field("PartNumber")),
        etag: field("ETag").replaceAll("&quot;", '"'),
        sha256: field("ChecksumSHA256"),
      };
    });
    if (named.length === 0) throw new Refusal(400, "MalformedXML", "You must specify at least one part");
    const pieces = named.map(({ number, etag, sha256 }, i) => {
      const part = upload.parts.get(number);
      if (part?.etag !== etag || part.sha256 !== sha256)
        throw new Refusal(400, "InvalidPart", "One or more of the specified parts could not be found.");
      if (i > 0 && number <= (named[i - 1]?.number ?? 0))
        throw new Refusal(400, "InvalidPartOrder", "The list of parts was not in ascending order.");
      if (i < named.length - 1 && part.data.length < LEAST_PART)
        throw new Refusal(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size");
      return part.data;
    });
    const { bucket, key, metadata } = upload;
    this.objects.set(`${bucket}/${key}`, { content: Buffer.concat(pieces), metadata });
    this.#uploads.delete(query.get("uploadId") ?? "");
    return { content: xml("CompleteMultipartUploadResult", `${xml("Bucket", bucket)}${xml("Key", key)}`) };
  }
}

interface Answer {
  status?: number;
  headers?: Record<string, string>;
  content?: string;
}

function actionOf(method: string, query: URLSearchParams): Action {
  if (method === "GET" && query.get("list-type") === "2") return "list";
  if (method === "POST" && query.has("uploads")) return "begin";
  if (query.has("uploadId")) {
    const actions: Record<string, Action> = { PUT: "part", GET: "parts", POST: "complete", DELETE: "abort" };
    return actions[method] ?? "unknown";
  }
  return method === "DELETE" ? "delete" : "unknown";
}

function xml(name: string, content: string | number | boolean): string {
  return `<${name}>${content}</${name}>`;
}
