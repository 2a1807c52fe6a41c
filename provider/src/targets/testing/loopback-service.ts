import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A stand-in for a cloud's service: it listens on a free port of the loopback while it runs. */
export abstract class LoopbackService {
  endpoint = "";
  readonly #server: Server = createServer((request, response) => void this.serve(request, response));

  /** @param keepAliveMs How long a connection may be idle; by default as long as Node.js has it. */
  constructor(keepAliveMs?: number) {
    if (keepAliveMs !== undefined) this.#server.keepAliveTimeout = keepAliveMs;
  }

  protected abstract serve(request: IncomingMessage, response: ServerResponse): Promise<void>;

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    this.endpoint = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return this;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
