import * as net from "node:net";
import type { Duplex } from "node:stream";

/** How long QEMU may take to answer one command. */
const ANSWER_TIMEOUT_MS = 5000;

/**
 * A connection to QEMU's control socket.
 *
 * @see https://www.qemu.org/docs/master/interop/qmp-spec.html
 */
export class QmpClient {
  #buffer = "";
  #waiting: { resolve: (value: unknown) => void; reject: (error: Error) => void } | undefined;
  #greeted: () => void = () => undefined;

  private constructor(private readonly socket: Duplex) {
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => this.#receive(chunk));
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#fail(new Error("QEMU closed its control socket")));
  }

  /** Connects and leaves negotiation mode. */
  static async connect(path: string): Promise<QmpClient> {
    return QmpClient.negotiate(net.connect({ path }));
  }

  /**
   * Leaves negotiation mode on a socket that QEMU has the other end of.
   *
   * @param greetingTimeoutMs - How long QEMU may take to say that it is there: longer when it is only just starting.
   */
  static async negotiate(socket: Duplex, greetingTimeoutMs = ANSWER_TIMEOUT_MS): Promise<QmpClient> {
    const client = new QmpClient(socket);
    try {
      await timeLimit(
        new Promise<void>((resolve, reject) => {
          client.#greeted = resolve;
          socket.once("error", reject);
          socket.once("close", () => reject(new Error("QEMU closed its control socket")));
        }),
        greetingTimeoutMs,
      );
      await client.execute("qmp_capabilities");
      return client;
    } catch (error) {
      client.close();
      throw error;
    }
  }

  /** Runs one command and gives what it returns. Commands do not overlap. */
  async execute(command: string, args?: Record<string, unknown>): Promise<unknown> {
    return timeLimit(
      new Promise((resolve, reject) => {
        this.#waiting = { resolve, reject };
        this.socket.write(JSON.stringify({ execute: command, ...(args && { arguments: args }) }) + "\n");
      }),
    );
  }

  close(): void {
    this.socket.destroy();
  }

  #receive(chunk: string): void {
    const lines = (this.#buffer + chunk).split("\n");
    this.#buffer = lines.pop() ?? "";
    for (const line of lines) {
      if (line.trim() === "") continue;
      const message = JSON.parse(line) as { QMP?: unknown; return?: unknown; error?: { desc: string } };
      if (message.QMP !== undefined) this.#greeted();
      else if (message.error !== undefined) this.#settle((waiting) => waiting.reject(new Error(message.error?.desc)));
      else if ("return" in message) this.#settle((waiting) => waiting.resolve(message.return));
    }
  }

  #settle(how: (waiting: { resolve: (value: unknown) => void; reject: (error: Error) => void }) => void): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) how(waiting);
  }

  #fail(error: Error): void {
    this.#settle((waiting) => waiting.reject(error));
  }
}

async function timeLimit<T>(work: Promise<T>, limitMs = ANSWER_TIMEOUT_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("QEMU does not answer on its control socket")), limitMs);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
