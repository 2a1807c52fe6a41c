import type { ChildProcess } from "node:child_process";
import * as os from "node:os";
import * as path from "node:path";
import type { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import { VisibleError } from "../../image/index.js";
import { probeAccelerator } from "./accelerator.js";
import { qemuArguments } from "./arguments.js";
import { describeDiskError } from "./disk-error.js";
import { endingOf, silentEnding, StatusParser, type Ending, type GuestEvent } from "./guest-status.js";
import { requireMemory } from "./memory.js";
import { claimPorts } from "./ports.js";
import { findQemu } from "./qemu.js";
import { QmpClient } from "./qmp.js";
import type { InstanceSpec } from "./start.js";
import { spawnTethered } from "./tether.js";
import { unlinkedFile } from "./unlinked-file.js";

/** A guest that lives no longer than this process, with its console on this process's standard input and output. */
export interface ForegroundOptions {
  cacheDir: string;
  signal?: AbortSignal | undefined;
  /** Told each event of the guest's. */
  event?: (event: GuestEvent) => void;
  /** Told what QEMU is started with. */
  starting?: (facts: { qemu: string; accelerator: string; command: string[] }) => void;
  /** Takes what the guest writes to its console. */
  output: NodeJS.WritableStream;
  /** What the guest reads from its console. */
  input?: NodeJS.ReadableStream;
}

/** A running guest in the foreground. */
export interface Foreground {
  /** Settles when the guest has ended. */
  ended: Promise<Ending>;
  /** Asks the application to end, by its image's stop signal. */
  powerdown(): Promise<void>;
  /** Ends the machine at once. */
  kill(): void;
}

/** How long QEMU may take to start. */
const START_TIMEOUT_MS = 60_000;

/** QEMU's descriptors beside its standard ones. */
const CONFIG = 3;
const STATUS = 4;
const QMP = 5;

/**
 * Runs an instance in the foreground. Nothing of it has a name on the disk, so that nothing can be left behind.
 *
 * @throws {VisibleError} when there is nothing to run it with.
 */
export async function runForeground(spec: InstanceSpec, options: ForegroundOptions): Promise<Foreground> {
  requireMemory(spec);
  const qemu = await findQemu(spec.image.architecture, options.signal);
  const probe = await probeAccelerator(qemu, options.cacheDir, options.signal);
  const ports = await claimPorts(spec.ports);
  options.signal?.throwIfAborted();
  const config = await unlinkedFile(
    path.join(os.tmpdir(), `unikernel-config-${process.pid}.json`),
    JSON.stringify(spec.config),
  ).catch((error: unknown) => {
    throw describeDiskError(error, "temporary files", os.tmpdir());
  });
  let child: ChildProcess;
  try {
    const command = qemuArguments({
      machine: spec.machine,
      accelerator: probe.accelerator,
      sandbox: probe.sandbox,
      qboot: probe.qboot,
      memory: spec.memory,
      cpus: spec.cpus,
      kernel: spec.image.kernel.path,
      disk: spec.image.disk,
      ports,
      config: `/dev/fd/${CONFIG}`,
      status: { fd: STATUS },
      console: "stdio",
      qmp: { fd: QMP },
      name: spec.id,
    });
    options.starting?.({ qemu: qemu.version, accelerator: probe.accelerator, command: [qemu.path, ...command] });
    // A session of its own: ^C is for this process, which passes it on as the guest understands it.
    const stdio = ["pipe", "pipe", "pipe", config.fd, "pipe", "pipe"] as const;
    ({ child } = spawnTethered(qemu.path, command, { detached: true, stdio: [...stdio] }));
  } finally {
    await config.close();
  }
  if (options.signal?.aborted) child.kill("SIGKILL");
  options.signal?.throwIfAborted();
  child.stdout?.pipe(options.output, { end: false });
  child.stdin?.on("error", () => undefined);

  const control = QmpClient.negotiate(channel(child, QMP), START_TIMEOUT_MS);
  // Whoever asks for a powerdown is told; if nobody does, nobody needs it.
  control.catch(() => undefined);
  return {
    ended: follow(child, options),
    powerdown: async () => void (await (await control).execute("system_powerdown")),
    kill: () => void child.kill("SIGKILL"),
  };
}

/** This process's end of one of QEMU's descriptors. */
function channel(child: ChildProcess, fd: number): Duplex {
  return (child.stdio as readonly unknown[])[fd] as Duplex;
}

async function follow(child: ChildProcess, options: ForegroundOptions): Promise<Ending> {
  const parser = new StatusParser();
  const events: GuestEvent[] = [];
  const status = channel(child, STATUS);
  status.setEncoding("utf8").on("data", (chunk: string) => {
    for (const event of parser.push(chunk)) {
      // What came in before the kernel has set its serial port up would be lost.
      // Never to its end: once its input is closed, QEMU drops what it cannot write to its output at once.
      if (event.event === "boot" && child.stdin !== null) options.input?.pipe(child.stdin, { end: false });
      events.push(event);
      options.event?.(event);
    }
  });
  status.on("error", () => undefined);
  const complaints = child.stderr === null ? Promise.resolve("") : text(child.stderr).catch(() => "");
  // Not "exit": the console's last bytes come before "close".
  await new Promise<void>((resolve) => child.once("close", resolve).once("error", () => resolve()));

  const ending = endingOf(events);
  if (ending !== undefined) return ending;
  const complaint = (await complaints).trim().split("\n").at(-1) ?? "";
  // Killed, it has no status.
  if (events.length === 0 && child.exitCode !== 0 && child.signalCode === null) {
    throw new VisibleError(`QEMU could not start the guest: ${complaint || `it ended with status ${child.exitCode}`}`);
  }
  return silentEnding(child, complaint);
}
