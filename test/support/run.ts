import { PassThrough, type Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { buildImage, type ImageSpec } from "../../provider/src/image/index.js";
import { runForeground, type GuestEvent, type InstanceSpec } from "../../provider/src/targets/local/index.js";
import type { Machine } from "./machine.js";

const MIB = 1 << 20;
const KERNEL = "unikernel: ";

/** What differs from a guest with 64 MiB, one CPU and no input. */
export interface RunOptions {
  /** In MiB. */
  memory?: number;
  cpus?: number;
  config?: InstanceSpec["config"];
  /** What comes in on the console. */
  input?: Readable;
  /** Milliseconds after which the machine is ended if it has not ended by itself. */
  limitMs?: number;
}

/** What an application has said, and how it ended. */
export interface Run {
  /** The application's lines. */
  lines: string[];
  /** The kernel's own lines, without what they begin with. */
  kernel: string[];
  /** What the guest has told of itself. */
  events: GuestEvent[];
  code: number;
  reason: string;
}

/** Runs an image to its end, as `unikernel run` does. */
export async function runImage(machine: Machine, spec: ImageSpec, options: RunOptions = {}): Promise<Run> {
  const image = await buildImage(spec, { baseDir: machine.folder, cacheDir: machine.cacheDir });
  const output = new PassThrough();
  const printed = text(output);
  const events: GuestEvent[] = [];
  const guest = await runForeground(
    {
      id: "guest",
      image,
      memory: (options.memory ?? 64) * MIB,
      cpus: options.cpus ?? 1,
      ports: [],
      config: options.config ?? {},
      machine: "q35",
    },
    {
      cacheDir: machine.cacheDir,
      output,
      event: (event) => events.push(event),
      ...(options.input && { input: options.input }),
    },
  );
  const limit = options.limitMs === undefined ? undefined : setTimeout(() => guest.kill(), options.limitMs);
  const { code, reason } = await guest.ended;
  clearTimeout(limit);
  output.end();
  const all = (await printed).split(/\r?\n/);
  return {
    lines: all.filter((line) => !line.startsWith(KERNEL)),
    kernel: all.filter((line) => line.startsWith(KERNEL)).map((line) => line.slice(KERNEL.length)),
    events,
    code,
    reason,
  };
}
