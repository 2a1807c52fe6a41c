import { setTimeout as delay } from "node:timers/promises";

export interface RetryOptions {
  signal?: AbortSignal | undefined;
  /** How often to try in all. Default: 12, which with the default pauses takes 90 seconds at most. */
  attempts?: number;
  /** The pause after the first failure is a random part of this, and of twice as much after each further one. Default: 100. */
  baseMs?: number;
  /** What the random part is taken of never exceeds this. Default: 20,000. */
  capMs?: number;
  /** Whether to try again after this failure. */
  when: (error: unknown) => boolean;
}

/**
 * Calls a service until it answers, as clouds ask their callers to: after an answer that says "later", an error of its own, or a connection
 * that broke, with pauses that grow and are random, so that many callers do not come back at once ("full jitter").
 *
 * @see https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html
 * @see https://cloud.google.com/storage/docs/retry-strategy
 */
export async function retry<T>(call: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const { signal, attempts = 12, baseMs = 100, capMs = 20_000, when } = options;
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    try {
      return await call(attempt);
    } catch (error) {
      signal?.throwIfAborted();
      if (attempt >= attempts || !when(error)) throw error;
      const pause = Math.random() * Math.min(capMs, baseMs * 2 ** (attempt - 1));
      await delay(pause, undefined, signal && { signal }).catch(() => signal?.throwIfAborted());
    }
  }
}

/** What Node.js, its `fetch` and the clouds' libraries say when a connection could not be made or did not last. */
const BROKEN = new Set([
  "EAI_AGAIN",
  "ECONNABORTED",
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EPIPE",
  "ETIMEDOUT",
  "ERR_SOCKET_CLOSED",
  "NetworkingError",
  "TimeoutError",
  "UND_ERR_BODY_TIMEOUT",
  "UND_ERR_CONNECT_TIMEOUT",
  "UND_ERR_HEADERS_TIMEOUT",
  "UND_ERR_SOCKET",
]);

export function isBrokenConnection(error: unknown): boolean {
  return BROKEN.has(nameOf(error)) || BROKEN.has(codeOf(error)) || /socket hang up/.test(messageOf(error));
}

/** The error's name, such as `ThrottlingException`. */
export function nameOf(error: unknown): string {
  return textOf(error, "name");
}

export function messageOf(error: unknown): string {
  return textOf(error, "message");
}

export function codeOf(error: unknown): string {
  return textOf(error, "code");
}

function textOf(error: unknown, key: string): string {
  const value = typeof error === "object" && error !== null ? (error as Record<string, unknown>)[key] : undefined;
  return typeof value === "string" ? value : "";
}
