import type { IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";

/** An answer as the SDK's HTTP handler gives it. */
export interface Answer {
  statusCode: number;
  headers: Record<string, string>;
  body: IncomingMessage;
}

/** The error that an answer tells of, with the properties that the SDK gives its own: AWS's code is its name. */
class Refusal extends Error {
  readonly $metadata: { httpStatusCode: number; requestId: string | undefined };
  /** Says more than the code, `DEPENDENCY_ACCESS_DENIED` for example. */
  readonly Reason: string | undefined;

  constructor(
    { statusCode, headers }: Answer,
    { code, message, reason }: { [field in "code" | "message" | "reason"]: string | undefined },
  ) {
    super(message ?? `The answer was HTTP status ${statusCode}, without a reason.`);
    this.name = code ?? "UnknownError";
    this.Reason = reason;
    this.$metadata = { httpStatusCode: statusCode, requestId: headers["x-amzn-requestid"] };
  }
}

/** Reads a refusal in AWS's query protocol. */
export function xmlRefusal(answer: Answer, body: string): Error {
  const field = (name: string): string | undefined => new RegExp(`<${name}>([^<]*)</${name}>`).exec(body)?.[1];
  return new Refusal(answer, { code: field("Code"), message: field("Message"), reason: undefined });
}

/**
 * Reads a refusal in AWS's REST-JSON protocol. What stands between here and AWS may answer in its own way: then the status is all there is.
 *
 * @see https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html#operation-error-serialization
 */
export async function refusal(answer: Answer): Promise<Error> {
  const body = parse(await text(answer.body));
  const field = (name: string): string | undefined => (typeof body[name] === "string" ? body[name] : undefined);
  const type = answer.headers["x-amzn-errortype"] ?? field("code") ?? field("__type");
  return new Refusal(answer, {
    // A name space before it and a URI after it do not count.
    code: type?.replace(/:.*/, "").replace(/.*#/, ""),
    message: field("message") ?? field("Message"),
    reason: field("Reason"),
  });
}

function parse(json: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
