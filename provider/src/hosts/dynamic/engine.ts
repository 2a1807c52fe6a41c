import * as http2 from "node:http2";
import * as net from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import * as grpc from "@grpc/grpc-js";
import { EngineClient } from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import { LogRequest, LogSeverity } from "@pulumi/pulumi/proto/engine_pb.js";
import { VisibleError } from "../../image/index.js";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;
const ENDED = "Pulumi ended";

/** What runs, and is to end when this process is told to. */
const running = new Set<AbortController>();

function abortAll(why: string): void {
  for (const controller of running) controller.abort(new Error(why));
}

/** An engine that is told to end at once asks its plugins to, and gives them a moment. */
function interrupt(): void {
  abortAll("interrupted");
}

/** While something runs there is one listener: without any, signals end this process, and of more than ten Node warns. */
function listen(controller: AbortController): void {
  if (running.size === 0) for (const name of SIGNALS) process.on(name, interrupt);
  running.add(controller);
}

function unlisten(controller: AbortController): void {
  running.delete(controller);
  if (running.size === 0) for (const name of SIGNALS) process.off(name, interrupt);
}

/** A connection to the engine that runs this process. */
export class Engine {
  readonly #client: InstanceType<typeof EngineClient> | undefined;
  #last: Promise<void> = Promise.resolve();
  #isWatched = false;

  constructor(readonly address: string | undefined) {
    this.#client = address === undefined ? undefined : new EngineClient(address, grpc.credentials.createInsecure());
  }

  /** The engine whose address Pulumi's dynamic provider host was started with. */
  static fromArguments(): Engine {
    return new Engine(process.argv[2]);
  }

  /** Shows a line in Pulumi's display. An ephemeral one is replaced by the next and not kept. */
  log(message: string, severity: "info" | "warning", options: { urn?: string | undefined; ephemeral: boolean }): void {
    const request = new LogRequest();
    request.setSeverity(severity === "info" ? LogSeverity.INFO : LogSeverity.WARNING);
    request.setMessage(message);
    request.setUrn(options.urn ?? "");
    request.setEphemeral(options.ephemeral);
    // One after the other, so that they arrive in order. A line that does not arrive is no reason to fail.
    this.#last = this.#last.then(
      () => new Promise((resolve) => (this.#client ? this.#client.log(request, () => resolve()) : resolve())),
    );
  }

  /**
   * Runs work that is to end when the engine does: an engine that is killed takes no child with it, and what is left of an update
   * must not go on while the next one runs.
   */
  async whileAlive<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (!this.#isWatched) void this.#endWithEngine();
    const controller = new AbortController();
    listen(controller);
    try {
      return await work(controller.signal);
    } catch (error) {
      // Whatever goes wrong on the way out follows from that, and where in the code it was is of no use to anybody.
      const why = controller.signal.reason as Error | undefined;
      if (why !== undefined && !(error instanceof VisibleError)) throw new VisibleError(why.message);
      throw error;
    } finally {
      unlisten(controller);
      // Nobody waits for the answer, and nobody else would end this process.
      if (controller.signal.aborted) setTimeout(() => process.exit(1), 100);
    }
  }

  /** Rejects when the engine has ended: that the connection is closed may not have been noticed yet. */
  async confirm(): Promise<void> {
    if (!(await this.#isAlive())) throw new VisibleError(ENDED);
  }

  /** Ends this process when the engine ends, whether something runs then or not. */
  async #endWithEngine(): Promise<void> {
    if (this.address === undefined) return;
    this.#isWatched = true;
    for (;;) {
      await this.#untilDisconnected();
      if (!(await this.#isAlive())) break;
      await delay(1000, undefined, { ref: false });
    }
    if (running.size === 0) process.exit(1);
    abortAll(ENDED);
  }

  /** A connection tells at once that the other end is gone, where asking now and then would let a guest come up that nobody is told of. */
  #untilDisconnected(): Promise<void> {
    return new Promise((resolve) => {
      const session = http2.connect(`http://${this.address}`);
      session.on("error", () => undefined);
      session.once("close", resolve);
      session.unref();
    });
  }

  #isAlive(): Promise<boolean> {
    const [host, port] = this.address?.split(":") ?? [];
    return new Promise((resolve) => {
      if (host === undefined || port === undefined) return resolve(true);
      const socket = net.connect({ host, port: Number(port) });
      const settle = (alive: boolean): void => {
        socket.destroy();
        resolve(alive);
      };
      socket.once("connect", () => settle(true));
      socket.once("error", (error: NodeJS.ErrnoException) => settle(error.code !== "ECONNREFUSED"));
    });
  }
}
