import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readFileSync } from "node:fs";
import * as path from "node:path";
import { buildImage, type ImageSpec } from "../../provider/src/image/index.js";
import {
  observeInstance,
  removeInstance,
  startInstance,
  type InstanceSpec,
  type Observation,
} from "../../provider/src/targets/local/index.js";
import { instancePaths, qmpSocketPath } from "../../provider/src/targets/local/paths.js";
import { QmpClient } from "../../provider/src/targets/local/qmp.js";
import type { Machine } from "./machine.js";
import { PATIENCE_MS } from "./limits.js";

const root = path.resolve(import.meta.dirname, "../..");
const MIB = 1 << 20;

/** Path of a program of `test/guests`, compiled by `npm run build:guests`. */
export function guestProgram(name: string): string {
  return path.join(root, "test/guests/build", name);
}

/** What a program of `test/guests` prints on Linux. What it leaves in its folder for temporary files goes with the machine. */
export function onLinux(machine: Machine, program: string): string {
  const folder = path.join(machine.folder, "linux");
  mkdirSync(folder);
  // Some programs give up being root, and look at their files by path, or run themselves again: the checkout may be nobody else's to look into.
  chmodSync(machine.folder, 0o755);
  const copy = path.join(machine.folder, program);
  copyFileSync(guestProgram(program), copy);
  return execFileSync(copy, { encoding: "utf8", env: { ...process.env, TMPDIR: folder } });
}

/** The example's container image, an OCI layout folder. */
export const rubyContainer = path.join(root, "examples/ruby-container/image");

/** A container of `test/guests/containers`, made by `npm run build:containers`: an OCI layout folder. */
export function guestContainer(name: string): string {
  return path.join(root, "test/guests/build/containers", name);
}

/** A file of the packages in such a container, as Debian's archive has it. */
export function guestContainerFile(name: string, file: string): Buffer {
  const blobs = path.join(guestContainer(name), "blobs/sha256");
  const read = (digest: string): string => path.join(blobs, digest.slice("sha256:".length));
  type Index = { manifests: { digest: string }[] };
  type Manifest = { layers: { digest: string }[] };
  const index = JSON.parse(readFileSync(path.join(guestContainer(name), "index.json"), "utf8")) as Index;
  const manifest = JSON.parse(readFileSync(read(index.manifests[0]?.digest ?? ""), "utf8")) as Manifest;
  const packages = read(manifest.layers[0]?.digest ?? "");
  return execFileSync("tar", ["--extract", "--to-stdout", "--file", packages, `./${file}`], { maxBuffer: 1 << 30 });
}

/** Where images of containers are kept from one run to the next: their packages change seldom, and unpacking them takes seconds. */
const imageCache = path.join(root, "test/guests/build/images");

/** What differs from a guest with 64 MiB and one CPU, of which port 8080 can be reached. */
export interface GuestOptions {
  /** What it is called on this machine, `guest` unless given. One that has ended under this name leaves its host ports to the next. */
  name?: string;
  /** In MiB. */
  memory?: number;
  cpus?: number;
  /** Of the instance, not of the image. */
  env?: Record<string, string>;
  /** The command line of the instance, in place of the image's. */
  args?: string[];
  machine?: InstanceSpec["machine"];
  /** The TCP ports that can be reached, the first of them over HTTP by `fetch`. */
  ports?: number[];
}

/** An application under the kernel, reachable over HTTP at its port 8080 or another. */
export class Guest {
  private constructor(
    private readonly host: Machine,
    private readonly name: string,
    private readonly ports: Map<number, number>,
    private readonly url: string,
  ) {}

  /** Starts a container of `test/guests/containers`. */
  static container(host: Machine, name: string, options: GuestOptions = {}): Promise<Guest> {
    return Guest.start(host, { source: { container: guestContainer(name) } }, options, imageCache);
  }

  /** Builds the image and starts it; resolves when it listens. */
  static async start(
    host: Machine,
    image: ImageSpec,
    options: GuestOptions = {},
    cacheDir = host.cacheDir,
  ): Promise<Guest> {
    host.showConsolesOfFailure();
    const built = await buildImage(image, { baseDir: root, cacheDir });
    const env = Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`);
    const name = options.name ?? "guest";
    const { ports } = await startInstance(
      {
        id: name,
        image: built,
        memory: (options.memory ?? 64) * MIB,
        cpus: options.cpus ?? 1,
        ports: (options.ports ?? [8080]).map((guest) => ({
          guest,
          host: 0,
          protocol: "tcp",
          hostAddress: "127.0.0.1",
        })),
        config: { process: { env, ...(options.args && { args: options.args }) } },
        machine: options.machine ?? "q35",
      },
      host.options({ startTimeoutMs: PATIENCE_MS }),
    );
    return new Guest(
      host,
      name,
      new Map(ports.map(({ guest, host }) => [guest, host])),
      `http://127.0.0.1:${ports[0]?.host}`,
    );
  }

  /** The port of this computer's loopback that leads to one of the guest's. */
  port(guest: number): number {
    const port = this.ports.get(guest);
    if (port === undefined) throw new Error(`The guest's port ${guest} was not asked for.`);
    return port;
  }

  /** One request on a connection of its own: an idle one would keep a thread of a blocking server from others. */
  fetch(location: string, request: RequestInit = {}): Promise<Response> {
    const headers = { connection: "close" };
    return fetch(this.url + location, { signal: AbortSignal.timeout(PATIENCE_MS), headers, ...request });
  }

  /** The body of an answer, which must have status 200. */
  async text(location: string): Promise<string> {
    const response = await this.fetch(location);
    if (response.status !== 200) throw new Error(`${location} answered ${response.status}: ${await response.text()}`);
    return response.text();
  }

  async json<T>(location: string): Promise<T> {
    return JSON.parse(await this.text(location)) as T;
  }

  async bytes(location: string): Promise<Buffer> {
    return Buffer.from(await (await this.fetch(location)).arrayBuffer());
  }

  /** The bodies of `count` answers. */
  texts(location: string, count: number): Promise<string[]> {
    return this.many(count, () => this.text(location));
  }

  /**
   * The results of `count` requests, eight of them at a time: QEMU's user network listens with a backlog of one, and what comes in a larger
   * burst waits for the client's TCP to try again, ever longer.
   */
  async many<T>(count: number, request: () => Promise<T>): Promise<T[]> {
    const results: T[] = [];
    let left = count;
    const client = async (): Promise<void> => {
      while (left-- > 0) results.push(await request());
    };
    await Promise.all(Array.from({ length: 8 }, client));
    return results;
  }

  /** Presses the power button: the application gets its image's stop signal. */
  async powerDown(): Promise<void> {
    await this.#ask("system_powerdown").catch((error: NodeJS.ErrnoException) => {
      // A guest that ends at once takes QEMU and its answer with it.
      if (error.code !== "ECONNRESET" && !error.message.includes("closed")) throw error;
    });
  }

  /** The registers of each CPU as QEMU has them, by their names: CR0, CR4, EFER and what else it shows as `NAME=HEX`. */
  async registers(): Promise<Map<string, bigint>[]> {
    const shown = String(await this.#ask("human-monitor-command", { "command-line": "info registers -a" }));
    const cpus = shown.split(/^CPU#\d+\r?$/m).slice(1);
    return cpus.map(
      (cpu) =>
        new Map([...cpu.matchAll(/\b(\w+) *=([0-9a-f]+)/g)].map(([, name = "", hex]) => [name, BigInt(`0x${hex}`)])),
    );
  }

  /** Gives QEMU's control socket a command. */
  async #ask(command: string, parameters?: Record<string, unknown>): Promise<unknown> {
    const { folder } = instancePaths(this.host.stateDir, this.name);
    const qmp = await QmpClient.connect(qmpSocketPath(folder));
    try {
      return await qmp.execute(command, parameters);
    } finally {
      qmp.close();
    }
  }

  /** Resolves when the guest has ended. */
  async end(): Promise<Observation> {
    for (;;) {
      const observation = await observeInstance(this.name, this.host.stateDir);
      if (observation.state !== "running") return observation;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  console(): string {
    return readFileSync(path.join(this.host.stateDir, "instances", this.name, "console.log"), "utf8");
  }

  async stop(): Promise<void> {
    await removeInstance(this.name, this.host.options());
  }
}
