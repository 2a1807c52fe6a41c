import { createHash, createHmac } from "node:crypto";

/** A request as it came over the wire. */
export interface SignedRequest {
  method: string;
  /** With its query. */
  url: string;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
}

export interface Key {
  accessKeyId: string;
  secretAccessKey: string;
}

/** How far the two clocks may be apart. */
const TOLERANCE_MS = 5 * 60_000;

/** What is wrong with the signature of a request, by AWS's documentation of Signature Version 4, or undefined. */
export function checkSignature(request: SignedRequest, key: Key, now: number): SignatureFault | undefined {
  const header = (name: string): string => String(request.headers[name] ?? "");
  const [, accessKeyId, scope = "", signed = "", signature] =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/([^,]+), SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
      header("authorization"),
    ) ?? [];
  if (signature === undefined) return { code: "MissingAuthenticationToken", message: "Missing Authentication Token" };
  if (accessKeyId !== key.accessKeyId) {
    return {
      code: "UnrecognizedClientException",
      message: "The security token included in the request is invalid.",
    };
  }
  const time = header("x-amz-date");
  const sent = Date.parse(time.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, "$1-$2-$3T$4:$5:$6Z"));
  if (!(Math.abs(sent - now) <= TOLERANCE_MS)) {
    const state = sent < now ? "expired" : "not yet current";
    return {
      code: "InvalidSignatureException",
      message: `Signature ${state}: ${time} is more than 5 min. from ${new Date(now).toISOString()}`,
    };
  }
  const names = signed.split(";");
  for (const needed of ["host", "x-amz-date"]) {
    if (!names.includes(needed)) return { code: "InvalidSignatureException", message: `"${needed}" must be signed` };
  }
  const { pathname, searchParams } = new URL(request.url, "http://host");
  // What the sender says of its body is not believed.
  const unsigned = "UNSIGNED-PAYLOAD";
  const payload = header("x-amz-content-sha256") === unsigned ? unsigned : sha256(request.body);
  const canonical = [
    request.method,
    pathname.split("/").map(encode).join("/"),
    [...searchParams]
      .map(([name, value]) => `${encode(name)}=${encode(value)}`)
      .sort()
      .join("&"),
    ...names.map((name) => `${name}:${header(name).trim().replace(/ +/g, " ")}`),
    "",
    signed,
    payload,
  ].join("\n");
  const [date = "", region = "", service = "", end = ""] = scope.split("/");
  const text = ["AWS4-HMAC-SHA256", time, scope, sha256(canonical)].join("\n");
  const derived = [date, region, service, end].reduce<string | Buffer>(
    (secret, part) => createHmac("sha256", secret).update(part).digest(),
    `AWS4${key.secretAccessKey}`,
  );
  const expected = createHmac("sha256", derived).update(text).digest("hex");
  if (expected === signature) return undefined;
  return {
    code: "InvalidSignatureException",
    message: "The request signature we calculated does not match the signature you provided.",
  };
}

export interface SignatureFault {
  code: string;
  message: string;
}

/** The region and the service that a request was signed for. */
export function scopeOf(request: SignedRequest): { region: string; service: string; signedHeaders: string[] } {
  const authorization = String(request.headers["authorization"] ?? "");
  const [, region = "", service = "", headers = ""] =
    /Credential=[^/]+\/\d+\/([^/]+)\/([^/]+)\/aws4_request, SignedHeaders=([^,]+)/.exec(authorization) ?? [];
  return { region, service, signedHeaders: headers.split(";") };
}

function encode(text: string): string {
  return encodeURIComponent(decodeURIComponent(text)).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function sha256(data: string | Buffer): string {
  return createHash("sha256").update(data).digest("hex");
}
