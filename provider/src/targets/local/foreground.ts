import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { VisibleError } from "../../image/index.js";
import { probeAccelerator } from "./accelerator.js";
import { qemuArguments } from "./arguments.js";
import { endingOf, StatusReader, type Ending, type GuestEvent } from "./guest-status.js";
import { requireMemory } from "./memory.js";
import { claimPorts } from "./ports.js";
import { findQemu } from "./qemu.js";
import { QmpClient } from "./qmp.js";
import type { InstanceSpec } from "./start.js";
import { unlinkedFile } from "./unlinked-file.js";

/** A guest that lives no longer than this process, with its console on this process's standard input and output. */
export interface ForegroundOptions {
  cacheDir: string;
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
  /** Asks the application to end, as SIGTERM does. */
  powerdown(): Promise<void>;
  /** Ends the machine at once. */
  kill(): void;
}

/**
 * Runs an instance in the foreground.
 *
 * @throws {VisibleError} when there is nothing to run it with.
 */
export async function runForeground(spec: InstanceSpec, options: ForegroundOptions): Promise<Foreground> {
  requireMemory(spec);
  const qemu = await findQemu(spec.image.architecture);
  const probe = await probeAccelerator(qemu, options.cacheDir);
  const ports = await claimPorts(spec.ports);
  const folder = await mkdtemp(path.join(os.tmpdir(), "unikernel-run-"));
  const files = {
    status: path.join(folder, "status.jsonl"),
    qmp: path.join(folder, "qmp.sock"),
    log: path.join(folder, "qemu.log"),
  };
  const log = await open(files.log, "w", 0o600);
  const config = await unlinkedFile(path.join(folder, "config.json"), JSON.stringify(spec.config));
  let child: ChildProcess;
  try {
    const command = qemuArguments({
      machine: spec.machine,
      accelerator: probe.accelerator,
      sandbox: probe.sandbox,
      memory: spec.memory,
      cpus: spec.cpus,
      kernel: spec.image.kernel.path,
      disk: spec.image.disk,
      ports,
      config: "/dev/fd/3",
      status: files.status,
      console: "stdio",
      qmp: files.qmp,
      pidFile: path.join(folder, "qemu.pid"),
      name: spec.id,
    });
    options.starting?.({ qemu: qemu.version, accelerator: probe.accelerator, command: [qemu.path, ...command] });
    // A session of its own: ^C is for this process, which passes it on as the guest understands it.
    child = spawn(qemu.path, command, { detached: true, stdio: ["pipe", "pipe", log.fd, config.fd] });
  } finally {
    await log.close();
    await config.close();
  }
  const guard = guardAgainstOrphan(child, folder);
  child.stdout?.pipe(options.output, { end: false });
  child.stdin?.on("error", () => undefined);

  const ended = follow(child, files, options).finally(async () => {
    guard.kill("SIGKILL");
    await rm(folder, { recursive: true, force: true });
  });
  return {
    ended,
    powerdown: async () => {
      const qmp = await QmpClient.connect(files.qmp);
      await qmp.execute("system_powerdown");
      qmp.close();
    },
    kill: () => void child.kill("SIGKILL"),
  };
}

/** A shell that ends the guest when this process is killed: its input, which nobody else holds, ends then. */
function guardAgainstOrphan(child: ChildProcess, folder: string): ChildProcess {
  const script = 'read -r _; kill -9 "$1"; rm -rf "$2"';
  const guard = spawn("sh", ["-c", script, "sh", String(child.pid), folder], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  guard.unref();
  return guard;
}

async function follow(
  child: ChildProcess,
  files: { status: string; log: string },
  options: ForegroundOptions,
): Promise<Ending> {
  // Not "exit": the console's last bytes come before "close".
  let closed = false;
  child.once("close", () => (closed = true));
  child.once("error", () => (closed = true));
  const status = new StatusReader(files.status);
  const events: GuestEvent[] = [];
  for (;;) {
    const last = closed;
    for (const event of await status.read()) {
      // What came in before the kernel has set its serial port up would be lost.
      // Never to its end: once its input is closed, QEMU drops what it cannot write to its output at once.
      if (event.event === "boot" && child.stdin !== null) options.input?.pipe(child.stdin, { end: false });
      events.push(event);
      options.event?.(event);
    }
    if (last) break;
    await delay(20);
  }
  const ending = endingOf(events);
  if (ending !== undefined) return ending;
  if (child.signalCode !== null) return { code: 137, reason: `QEMU was ended by ${child.signalCode}` };
  const complaint = (await readFile(files.log, "utf8").catch(() => "")).trim();
  if (events.length === 0 && child.exitCode !== 0) {
    throw new VisibleError(
      `QEMU could not start the guest: ${complaint.split("\n").at(-1) || `it ended with status ${child.exitCode}`}`,
    );
  }
  return { code: 255, reason: "the guest reset itself without a word" };
}
