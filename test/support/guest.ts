import { readFileSync } from "node:fs";
import * as path from "node:path";
import { buildImage, type ImageSpec } from "../../provider/src/image/index.js";
import {
  observeInstance,
  removeInstance,
  startInstance,
  type InstanceSpec,
  type Observation,
} from "../../provider/src/targets/local/index.js";
import type { Machine } from "./machine.js";

const root = path.resolve(import.meta.dirname, "../..");
const MIB = 1 << 20;

/** Path of a program of `test/guests`, compiled by `npm run build:guests`. */
export function guestProgram(name: string): string {
  return path.join(root, "test/guests/build", name);
}

/** The example's container image, an OCI layout folder. */
export const rubyContainer = path.join(root, "examples/ruby-container/image");

/** What differs from a guest with 64 MiB and one CPU. */
export interface GuestOptions {
  /** In MiB. */
  memory?: number;
  cpus?: number;
  /** Of the instance, not of the image. */
  env?: Record<string, string>;
  machine?: InstanceSpec["machine"];
}

/** An application under the kernel, reachable over HTTP at its port 8080. */
export class Guest {
  private constructor(
    private readonly host: Machine,
    private readonly url: string,
  ) {}

  /** Builds the image and starts it; resolves when it listens. */
  static async start(host: Machine, image: ImageSpec, options: GuestOptions = {}): Promise<Guest> {
    const built = await buildImage(image, { baseDir: root, cacheDir: host.cacheDir });
    const env = Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`);
    const { ports } = await startInstance(
      {
        id: "guest",
        image: built,
        memory: (options.memory ?? 64) * MIB,
        cpus: options.cpus ?? 1,
        ports: [{ guest: 8080, host: 0, protocol: "tcp", hostAddress: "127.0.0.1" }],
        config: { process: { env } },
        machine: options.machine ?? "q35",
      },
      host.options({ startTimeoutMs: 60_000 }),
    );
    return new Guest(host, `http://127.0.0.1:${ports[0]?.host}`);
  }

  /** One request on a connection of its own: an idle one would keep a thread of a blocking server from others. */
  fetch(location: string, request: RequestInit = {}): Promise<Response> {
    const headers = { connection: "close" };
    return fetch(this.url + location, { signal: AbortSignal.timeout(60_000), headers, ...request });
  }

  /** The body of an answer, which must have status 200. */
  async text(location: string): Promise<string> {
    const response = await this.fetch(location);
    if (response.status !== 200) throw new Error(`${location} answered ${response.status}: ${await response.text()}`);
    return response.text();
  }

  /**
   * The bodies of `count` answers, eight asked for at a time: QEMU's user network listens with a backlog of one, and
   * what comes in a larger burst waits for the client's TCP to try again, ever longer.
   */
  async texts(location: string, count: number): Promise<string[]> {
    const bodies: string[] = [];
    let left = count;
    const client = async (): Promise<void> => {
      while (left-- > 0) bodies.push(await this.text(location));
    };
    await Promise.all(Array.from({ length: 8 }, client));
    return bodies;
  }

  /** Resolves when the guest has ended. */
  async end(): Promise<Observation> {
    for (;;) {
      const observation = await observeInstance("guest", this.host.stateDir);
      if (observation.state !== "running") return observation;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  console(): string {
    return readFileSync(path.join(this.host.stateDir, "instances/guest/console.log"), "utf8");
  }

  async stop(): Promise<void> {
    await removeInstance("guest", this.host.options());
  }
}
