import type { RequestInit, Response } from "undici";

/** Hosts that no proxy leads to: this one. */
const LOOPBACK = ["localhost", ".localhost", "127.0.0.1", "[::1]"];

/** Whether a host's name, without a port, is one of this machine by itself. */
export function isLoopback(name: string): boolean {
  return /^(localhost|.*\.localhost|127(\.\d+){3}|\[?::1\]?)$/.test(name);
}

/** Fetches over HTTP. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/**
 * `fetch` through the proxy that `HTTPS_PROXY` or `HTTP_PROXY` names, but for the hosts in `NO_PROXY`. The `fetch` that Node.js brings takes no
 * notice of them.
 */
export async function openHttp(): Promise<Fetch> {
  // Loaded only here: most builds talk to nobody.
  const { EnvHttpProxyAgent, fetch } = await import("undici");
  const excepted = process.env["no_proxy"] ?? process.env["NO_PROXY"];
  const noProxy = [...(excepted ? [excepted] : []), ...LOOPBACK].join(",");
  const dispatcher = new EnvHttpProxyAgent({ noProxy });
  return (url, init) => fetch(url, { ...init, dispatcher });
}
