import { isBrokenConnection, messageOf, nameOf } from "../retry.js";

/** Whether the same request may succeed when it is sent again. */
export function isTransient(error: unknown): boolean {
  return isThrottled(error) || isServerError(error) || isBrokenConnection(error) || isClockSkew(error);
}

const THROTTLED = new Set([
  "RequestLimitExceeded",
  "RequestThrottled",
  "RequestThrottledException",
  "SlowDown",
  "Throttling",
  "ThrottlingException",
  "TooManyRequestsException",
]);

/** Whether AWS asks for fewer requests. */
export function isThrottled(error: unknown): boolean {
  return THROTTLED.has(nameOf(error)) || statusOf(error) === 429;
}

function isServerError(error: unknown): boolean {
  return (statusOf(error) ?? 0) >= 500;
}

const CLOCK_SKEW = new Set(["AuthFailure.ClockSkew", "RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed"]);

/** Whether the two clocks are too far apart. From the answer's own date the SDK learns by how much, so the next request is signed right. */
export function isClockSkew(error: unknown): boolean {
  if (CLOCK_SKEW.has(nameOf(error))) return true;
  return /Signature (expired|not yet current)/.test(messageOf(error));
}

function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } } | undefined)?.$metadata?.httpStatusCode;
}
