import { readFileSync } from "node:fs";
import type * as http from "node:http";
import * as https from "node:https";
// The SDK takes no notice of the environment's proxies, which AWS's other tools go by. These are the parts of `proxy-agent`, the library that AWS's
// documentation names, without its kinds of proxy that those tools do not know either.
import { Agent, type AgentConnectOpts } from "agent-base";
import { HttpsProxyAgent } from "https-proxy-agent";
import { getProxyForUrl } from "proxy-from-env";
import { isLoopback, VisibleError } from "../../image/index.js";

/** What opens and keeps the connections of a client of the SDK. */
export interface Agents {
  httpAgent: http.AgentOptions;
  httpsAgent: https.AgentOptions | http.Agent;
}

/**
 * Connections that go through the proxy that `HTTPS_PROXY` names, but to the hosts in `NO_PROXY` and to this machine, and that trust the authorities
 * in the file that `AWS_CA_BUNDLE` names in the place of those that Node.js trusts: as for AWS's other tools.
 *
 * @param maxSockets Connections to a host at once.
 * @throws {VisibleError} when the file with the authorities cannot be read.
 */
export function openAgents(maxSockets: number): Agents {
  const ca = authorities(process.env["AWS_CA_BUNDLE"]);
  const options = { keepAlive: true, maxSockets };
  const secure = { ...options, ...(ca !== undefined && { ca }) };
  const named = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"].some((name) => process.env[name]);
  return { httpAgent: options, httpsAgent: named ? new ProxiedAgent(secure) : secure };
}

function authorities(file: string | undefined): Buffer | undefined {
  if (!file) return undefined;
  try {
    return readFileSync(file);
  } catch (error) {
    throw new VisibleError(
      `The file with certificates that AWS_CA_BUNDLE names cannot be read: ${(error as Error).message}. Set it to a file of certificates in PEM's format, or unset it.`,
    );
  }
}

/** Asks the environment of each host, for a client talks to several: its service's, and those that give out credentials. */
class ProxiedAgent extends Agent {
  readonly #direct: https.Agent;

  constructor(private readonly secure: https.AgentOptions) {
    super(secure);
    this.#direct = new https.Agent(secure);
  }

  override async connect(request: http.ClientRequest, options: AgentConnectOpts) {
    const host = options.host ?? "localhost";
    const proxy = isLoopback(host) ? "" : getProxyForUrl(`https://${host}:${options.port}`);
    if (proxy === "") return this.#direct;
    const secure = { ...options, ...this.secure } as Parameters<HttpsProxyAgent<string>["connect"]>[1];
    return new HttpsProxyAgent(proxy).connect(request, secure);
  }
}
