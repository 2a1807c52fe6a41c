import * as net from "node:net";
import * as grpc from "@grpc/grpc-js";
import { EngineClient } from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import { LogRequest, LogSeverity } from "@pulumi/pulumi/proto/engine_pb.js";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** What runs, and is to end when this process is told to. */
const running = new Set<AbortController>();

/** An engine that is told to end at once asks its plugins to, and gives them a moment. */
function interrupt(): void {
  for (const controller of running) controller.abort(new Error("interrupted"));
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
    const controller = new AbortController();
    const timer = setInterval(
      () => void this.#isAlive().then((alive) => alive || controller.abort(new Error("Pulumi ended"))),
      1000,
    );
    listen(controller);
    try {
      return await work(controller.signal);
    } finally {
      clearInterval(timer);
      unlisten(controller);
      // Nobody waits for the answer, and nobody else would end this process.
      if (controller.signal.aborted) setTimeout(() => process.exit(1), 100);
    }
  }

  #isAlive(): Promise<boolean> {
    const [host, port] = this.address?.split(":") ?? [];
    if (host === undefined || port === undefined) return Promise.resolve(true);
    return new Promise((resolve) => {
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
