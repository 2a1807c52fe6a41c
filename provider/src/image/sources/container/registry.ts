/**
 * A client for the OCI distribution API, as far as pulling needs it.
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md
 */
import { setTimeout as delay } from "node:timers/promises";
import { errorCode, VisibleError } from "../../errors.js";
import type { RequestInit, Response } from "undici";
import { type Credentials, findCredentials } from "./credentials.js";
import { type Fetch, openHttp } from "../../http.js";
import { MANIFEST_TYPES } from "./manifest.js";
import type { Reference } from "./reference.js";

/** How often a request is tried without getting any further, and how long to wait before each further try. */
const RETRY_DELAYS_MS = [300, 1000, 3000];
/** How long the registry may take to begin an answer, and to send more of one. */
const ANSWER_TIMEOUT_MS = 30_000;
/** The longest that a busy registry is waited for when it says how long. */
const LONGEST_WAIT_MS = 30_000;
const MAX_DOCUMENT = 16 * 1024 * 1024;

export class Registry {
  readonly #reference: Reference;
  readonly #signal: AbortSignal | undefined;
  #authorization: string | undefined;
  #credentials: Promise<Credentials | undefined> | undefined;
  #http: Promise<Fetch> | undefined;

  constructor(reference: Reference, signal: AbortSignal | undefined) {
    this.#reference = reference;
    this.#signal = signal;
  }

  /** A manifest or an index, by tag or digest. */
  async manifest(name: string): Promise<Buffer> {
    const { text } = this.#reference;
    return this.#document(`manifests/${name}`, { accept: MANIFEST_TYPES.join(", ") }, `There is no image "${text}"`);
  }

  /** A small blob. */
  async blob(digest: string): Promise<Buffer> {
    return this.#document(
      `blobs/${digest}`,
      {},
      `The image "${this.#reference.text}" is incomplete: its blob ${digest} is missing`,
    );
  }

  /**
   * Copies a blob to `write`, going on where it stopped when the connection breaks.
   *
   * @param write told where each chunk belongs: 0 anew when the registry can only start over.
   */
  async download(
    digest: string,
    size: number,
    write: (chunk: Buffer, position: number) => Promise<void>,
  ): Promise<void> {
    let position = 0;
    const attempt = async (): Promise<void> => {
      const headers: Record<string, string> = position > 0 ? { range: `bytes=${position}-` } : {};
      const { response, stalled } = await this.#get(`blobs/${digest}`, headers);
      try {
        await this.#check(response, `The image "${this.#reference.text}" is incomplete: its blob ${digest} is missing`);
        if (response.status !== 206) position = 0;
        for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
          stalled.restart();
          if (position + chunk.length > size)
            throw this.#error(`sends more of the blob ${digest} than its ${size} bytes`);
          await write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length), position);
          position += chunk.length;
        }
      } finally {
        stalled.stop();
      }
      if (position < size) throw new Interrupted(`only ${position} of ${size} bytes arrived`);
    };
    await this.#retry(attempt, () => position);
  }

  async #document(path: string, headers: Record<string, string>, missing: string): Promise<Buffer> {
    return this.#retry(async () => {
      const { response, stalled } = await this.#get(path, headers);
      const chunks: Uint8Array[] = [];
      let length = 0;
      try {
        await this.#check(response, missing);
        for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
          stalled.restart();
          chunks.push(chunk);
          length += chunk.length;
          if (length > MAX_DOCUMENT) throw this.#error(`sent a document of more than ${MAX_DOCUMENT} bytes`);
        }
      } finally {
        stalled.stop();
      }
      return Buffer.concat(chunks);
    });
  }

  /** One request, logging in when the registry asks for it. */
  async #get(path: string, headers: Record<string, string>): Promise<{ response: Response; stalled: Watchdog }> {
    const url = `${this.#reference.origin}/v2/${this.#reference.repository}/${path}`;
    const send = async (): Promise<{ response: Response; stalled: Watchdog }> => {
      const authorization = this.#authorization;
      return this.#fetch(url, { headers: { ...headers, ...(authorization === undefined ? {} : { authorization }) } });
    };
    const first = await send();
    if (first.response.status !== 401) return first;
    first.stalled.stop();
    await first.response.body?.cancel();
    this.#authorization = await this.#logIn(first.response.headers.get("www-authenticate") ?? "");
    return send();
  }

  async #fetch(url: string, init: RequestInit): Promise<{ response: Response; stalled: Watchdog }> {
    const stalled = new Watchdog(ANSWER_TIMEOUT_MS);
    const signal = this.#signal ? AbortSignal.any([this.#signal, stalled.signal]) : stalled.signal;
    try {
      const http = await (this.#http ??= openHttp());
      return { response: await http(url, { ...init, signal }), stalled };
    } catch (error) {
      stalled.stop();
      throw error;
    }
  }

  /** @returns the `Authorization` header that the challenge asks for. */
  async #logIn(challenge: string): Promise<string> {
    this.#credentials ??= findCredentials(this.#reference.registry);
    const credentials = await this.#credentials;
    const [, scheme = ""] = /^\s*(\w+)/.exec(challenge) ?? [];
    if (scheme.toLowerCase() === "bearer") return `Bearer ${await this.#token(challenge, credentials)}`;
    if (scheme.toLowerCase() !== "basic")
      throw this.#error(`wants a login of a kind that is not known ("${challenge}")`);
    if (!credentials || "identityToken" in credentials) throw this.#passwordWanted(credentials);
    return basic(credentials);
  }

  /** @see https://distribution.github.io/distribution/spec/auth/token/ */
  async #token(challenge: string, credentials: Credentials | undefined): Promise<string> {
    const parameters: Record<string, string | undefined> = {};
    for (const [, name = "", value] of challenge.matchAll(/(\w+)="([^"]*)"/g)) parameters[name] = value;
    const { realm, service = "", scope = `repository:${this.#reference.repository}:pull` } = parameters;
    if (realm === undefined || !URL.canParse(realm))
      throw this.#error(`asks for a token, but does not say where to get one`);
    const url = new URL(realm);
    let init: RequestInit = {};
    if (credentials && "identityToken" in credentials) {
      const form = {
        grant_type: "refresh_token",
        refresh_token: credentials.identityToken,
        client_id: "unikernel",
        service,
        scope,
      };
      init = { method: "POST", body: new URLSearchParams(form) };
    } else {
      if (service !== "") url.searchParams.set("service", service);
      url.searchParams.set("scope", scope);
      if (credentials) init = { headers: { authorization: basic(credentials) } };
    }
    const { response, stalled } = await this.#fetch(url.href, init);
    try {
      if (response.status === 401 || response.status === 403) throw this.#passwordWanted(credentials);
      if (!response.ok) throw new Interrupted(`its token service answers ${response.status}`, response);
      const value = tokenOf(await response.text());
      if (value === undefined) throw this.#error(`has a token service, ${url.host}, that answers without a token`);
      return value;
    } finally {
      stalled.stop();
    }
  }

  async #check(response: Response, missing: string): Promise<void> {
    if (response.ok) return;
    await response.body?.cancel();
    if (response.status === 404) throw new VisibleError(`${missing} in the registry ${this.#reference.registry}.`);
    if (response.status === 401 || response.status === 403) throw this.#passwordWanted(await this.#credentials);
    if (response.status === 429 || response.status >= 500)
      throw new Interrupted(`it answers ${response.status}`, response);
    throw this.#error(`answers ${response.status} ${response.statusText}`);
  }

  /** @param progress tells how far the attempts have come: one that got further does not count as a try. */
  async #retry<T>(attempt: () => Promise<T>, progress: () => number = () => 0): Promise<T> {
    let reached = progress();
    for (let tries = 0; ; tries++) {
      try {
        return await attempt();
      } catch (error) {
        this.#signal?.throwIfAborted();
        const reason = networkReason(error);
        if (reason === undefined) throw error;
        if (progress() > reached) {
          reached = progress();
          tries = 0;
        }
        const wanted = retryAfter(error);
        const pause = RETRY_DELAYS_MS[tries];
        if (pause === undefined || wanted > LONGEST_WAIT_MS) throw this.#unreachable(reason, error, wanted);
        await delay(Math.max(pause, wanted), undefined, { signal: this.#signal });
      }
    }
  }

  #unreachable(reason: string, error: unknown, waitMs: number): VisibleError {
    const { registry, text } = this.#reference;
    if (!(error instanceof Interrupted) || error.response?.status !== 429)
      return new VisibleError(`The registry ${registry} cannot be reached for "${text}": ${reason}.`);
    const when = waitMs > 0 ? `in ${Math.ceil(waitMs / 1000)} seconds` : "later";
    return new VisibleError(
      `The registry ${registry} lets nobody pull "${text}" for now, because too much has been pulled from here (429). Try again ${when}; after \`docker login ${registry}\` it may allow more.`,
    );
  }

  #passwordWanted(credentials: Credentials | undefined): VisibleError {
    const { registry, text } = this.#reference;
    if (credentials)
      return new VisibleError(
        `The registry ${registry} does not let the user of Docker's configuration pull "${text}". Run \`docker login ${registry}\` again.`,
      );
    return new VisibleError(
      `The registry ${registry} wants a password for "${text}", or there is no such image. Run \`docker login ${registry}\`, whose credentials are used here too.`,
    );
  }

  #error(what: string): VisibleError {
    return new VisibleError(`The registry ${this.#reference.registry} ${what}.`);
  }
}

/** A failure that may pass. */
class Interrupted extends Error {
  readonly response: Response | undefined;

  constructor(message: string, response?: Response) {
    super(message);
    this.response = response;
  }
}

/** Aborts when it has not been restarted for a while. */
class Watchdog {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;

  constructor(milliseconds: number) {
    this.#timer = setTimeout(() => {
      this.#controller.abort(new Interrupted(`it sent nothing for ${milliseconds / 1000} seconds`));
    }, milliseconds);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  restart(): void {
    this.#timer.refresh();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

/** Why a request failed, when the network or the registry's state is to blame. */
function networkReason(error: unknown): string | undefined {
  if (error instanceof Interrupted) return error.message;
  // fetch throws a TypeError whose cause is what happened.
  const cause = error instanceof TypeError ? error.cause : undefined;
  if (!(cause instanceof Error)) return undefined;
  const reasons: Record<string, string> = {
    ECONNREFUSED: "nothing listens there",
    ENOTFOUND: "there is no host of that name",
    EAI_AGAIN: "its name cannot be looked up",
    ECONNRESET: "the connection was reset",
    UND_ERR_SOCKET: "the connection was closed",
  };
  return reasons[errorCode(cause) ?? ""] ?? (cause.message || errorCode(cause)) ?? "the connection failed";
}

/**
 * How long the registry asks to wait, in milliseconds: its `Retry-After` is a number of seconds or a date.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
 */
function retryAfter(error: unknown): number {
  const text = error instanceof Interrupted ? error.response?.headers.get("retry-after") : undefined;
  if (!text) return 0;
  const milliseconds = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(milliseconds) ? Math.max(0, milliseconds) : 0;
}

/** The token in an answer. What stands between here and the token service may answer in its own way. */
function tokenOf(answer: string): string | undefined {
  try {
    const { token, access_token } = JSON.parse(answer) as { token?: string; access_token?: string };
    return token ?? access_token;
  } catch {
    return undefined;
  }
}

function basic({ username, password }: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}
