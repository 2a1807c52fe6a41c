import { createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import * as http from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";

/** What Google answers when it gives no token. */
interface Refusal {
  status: number;
  body: object;
}

const TOLERANCE_S = 5 * 60;

/**
 * Google's services that give access tokens, written from their documentation: for a refresh token, for a service account's assertion
 * (RFC 7523), and for acting as another account. Google's library has their addresses fixed, so while this runs whatever this process
 * asks of them comes here.
 *
 * @see https://developers.google.com/identity/protocols/oauth2/service-account#httprest
 */
export class TokenService {
  /** The token that it gives. */
  readonly token = "ya29.example";
  /** What the service's clock is ahead of this machine's. */
  clockAheadMs = 0;
  /** Refresh tokens that were not withdrawn. */
  readonly refreshTokens = new Set(["1//example"]);
  /** Service accounts that others may act as. */
  readonly impersonated = new Set<string>();
  readonly #keys = generateKeyPairSync("rsa", { modulusLength: 2048 });
  readonly #request = https.request;
  #server: http.Server | undefined;

  /** What `gcloud auth application-default login` writes. */
  get userCredentials(): string {
    const refresh_token = "1//example";
    return JSON.stringify({ type: "authorized_user", client_id: "c", client_secret: "s", refresh_token });
  }

  /** A key file of a service account. */
  get serviceAccountKey(): string {
    const private_key = this.#keys.privateKey.export({ type: "pkcs8", format: "pem" });
    return JSON.stringify({
      type: "service_account",
      client_email: "deploy@shop.iam.gserviceaccount.com",
      private_key,
    });
  }

  async start(): Promise<this> {
    const server = http.createServer((request, response) => void this.#serve(request, response));
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const here = (url: URL | string, options: https.RequestOptions, ...rest: []): http.ClientRequest => {
      const { hostname, pathname, search } = new URL(url);
      if (!/^(oauth2|iamcredentials)\.googleapis\.com$/.test(hostname)) throw new Error(`nobody is to ask ${hostname}`);
      const { agent: _, ...plain } = options;
      return http.request(`http://127.0.0.1:${port}${pathname}${search}`, plain, ...rest);
    };
    https.request = here as typeof https.request;
    return this;
  }

  stop(): void {
    https.request = this.#request;
    this.#server?.closeAllConnections();
    this.#server?.close();
  }

  async #serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const form = new URLSearchParams(Buffer.concat(chunks).toString());
    const [, account] = /\/serviceAccounts\/([^/:]+):generateAccessToken$/.exec(request.url ?? "") ?? [];
    const refusal =
      account === undefined ? this.#refusal(form) : this.#impersonationRefusal(decodeURIComponent(account));
    const expireTime = new Date(Date.now() + 3_600_000).toISOString();
    const given =
      account === undefined
        ? { access_token: this.token, expires_in: 3599, token_type: "Bearer" }
        : { accessToken: this.token, expireTime };
    response.writeHead(refusal?.status ?? 200, { "content-type": "application/json; charset=utf-8" });
    response.end(JSON.stringify(refusal?.body ?? given));
  }

  #refusal(form: URLSearchParams): Refusal | undefined {
    if (form.get("grant_type") === "refresh_token")
      return this.refreshTokens.has(form.get("refresh_token") ?? "")
        ? undefined
        : invalidGrant("Token has been expired or revoked.");
    const [head = "", claims = "", signature = ""] = (form.get("assertion") ?? "").split(".");
    const key = createPublicKey(this.#keys.publicKey.export({ type: "spki", format: "pem" }));
    if (!verify("sha256", Buffer.from(`${head}.${claims}`), key, Buffer.from(signature, "base64url")))
      return invalidGrant("Invalid JWT Signature.");
    const { iat, exp } = JSON.parse(Buffer.from(claims, "base64url").toString()) as { iat: number; exp: number };
    const now = (Date.now() + this.clockAheadMs) / 1000;
    if (iat > now + TOLERANCE_S || exp < now || exp - iat > 3600)
      return invalidGrant(
        "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.",
      );
    return undefined;
  }

  #impersonationRefusal(account: string): Refusal | undefined {
    if (this.impersonated.has(account)) return undefined;
    const message = "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).";
    return { status: 403, body: { error: { code: 403, message, status: "PERMISSION_DENIED" } } };
  }
}

function invalidGrant(description: string): Refusal {
  return { status: 400, body: { error: "invalid_grant", error_description: description } };
}
