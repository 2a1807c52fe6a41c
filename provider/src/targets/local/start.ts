import type { ChildProcess } from "node:child_process";
import { mkdir, open, readFile, rm } from "node:fs/promises";
import { isIPv6 } from "node:net";
import * as path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { VisibleError, type BuiltImage, type InstanceConfig } from "../../image/index.js";
import { probeAccelerator, type AcceleratorProbe } from "./accelerator.js";
import { qemuArguments, type Machine } from "./arguments.js";
import { quoteConsole } from "./console-log.js";
import { describeDiskError } from "./disk-error.js";
import {
  endingOf,
  isReachable,
  listenersOn,
  silentEnding,
  StatusReader,
  type Ending,
  type GuestEvent,
} from "./guest-status.js";
import { withLock } from "./lock.js";
import { requireMemory } from "./memory.js";
import { observeInstance } from "./observe.js";
import { instancePaths, prepareSocketFolder, qmpSocketPath, type InstancePaths } from "./paths.js";
import { canConnect, claimPorts, type PortMapping } from "./ports.js";
import { qemuProcesses } from "./processes.js";
import { findQemu, type Qemu } from "./qemu.js";
import { isOfAnother, writeRecord, type InstanceRecord, type Ownership } from "./record.js";
import { clearLocked, lockFile, removeLocked } from "./stop.js";
import { spawnTethered, type Tethered } from "./tether.js";
import { unlinkedFile } from "./unlinked-file.js";

/** What to start. */
export interface InstanceSpec {
  /** Unique on this machine. Letters, digits, `-`, `_` and `.`. */
  id: string;
  image: Pick<BuiltImage, "digest" | "disk" | "minimumMemory" | "architecture"> & { kernel: { path: string } };
  /** In bytes. */
  memory: number;
  cpus: number;
  ports: readonly PortMapping[];
  /** What the guest gets at boot beside the image's own configuration. */
  config: InstanceConfig;
  machine: Machine;
}

/** Where and how to start. */
export interface StartOptions {
  stateDir: string;
  cacheDir: string;
  /** Whose it is. What is somebody else's is left alone. */
  ownership?: Ownership | undefined;
  /** How long the guest may take until all its ports answer, in milliseconds. */
  startTimeoutMs: number;
  /** How long an older guest of the same id may take to stop, in milliseconds. */
  stopTimeoutMs: number;
  signal?: AbortSignal | undefined;
  /** Asked before the guest is left to itself: rejects when nobody is there any more to be told of it. */
  confirm?: (() => Promise<void>) | undefined;
  /** Told what is going on. */
  status?: ((message: string) => void) | undefined;
}

/** A started instance. */
export interface StartedInstance {
  /** With every host port chosen. */
  ports: PortMapping[];
  /** Set when the application ended with status 0 already. Only an instance without ports may. */
  ending?: Ending;
}

/** The instance exists, but is not what it should be: its guest ended or does not answer. */
export class NotReadyError extends VisibleError {
  constructor(
    message: string,
    /** With every host port chosen. */
    readonly ports: PortMapping[],
    /** Undefined while the guest runs. */
    readonly ending: Ending | undefined,
  ) {
    super(message);
  }
}

/** Somebody took a port that was free a moment ago. */
class PortLostError extends VisibleError {}

/** A guest without ports counts as started when it has run this long. */
const SETTLE_MS = 500;
/** How often a start is tried when somebody takes a port between the moment it was found free and the moment QEMU takes it. */
const PORT_RACES = 3;

/**
 * Starts an instance that outlives this process, and waits until it is ready. A guest that already has this id is stopped first, unless it
 * is somebody else's, or it is clear by then that the new one cannot start.
 *
 * Until it is ready, or known not to get so, the guest lives no longer than this process.
 *
 * @throws {NotReadyError} when QEMU runs but the guest ended, or did not answer in time.
 * @throws {VisibleError} when there is nothing to run it with, or its id is taken; nothing of it is left behind then.
 */
export async function startInstance(spec: InstanceSpec, options: StartOptions): Promise<StartedInstance> {
  requireMemory(spec);
  const qemu = await findQemu(spec.image.architecture, options.signal);
  const probe = await probeAccelerator(qemu, options.cacheDir, options.signal);
  const lock = { timeoutMs: options.startTimeoutMs + options.stopTimeoutMs + 60_000, signal: options.signal };
  let running: Tethered | undefined;
  const attempt = async (ports: PortMapping[]): Promise<StartedInstance> => {
    const paths = instancePaths(options.stateDir, spec.id);
    try {
      running = await launch(qemu, probe, spec, ports, paths, options.ownership);
      options.status?.(`started by QEMU ${qemu.version} (${probe.accelerator}); waiting for the guest`);
      const started = await untilReady(running.child, ports, paths, options);
      await options.confirm?.();
      return started;
    } catch (error) {
      // Whatever is not reported as created must not stay.
      if (!(error instanceof NotReadyError))
        await removeLocked(spec.id, { ...options, stopTimeoutMs: 0, signal: undefined });
      throw error;
    }
  };
  try {
    return await withLock(lockFile(options.stateDir, spec.id), lock, async () => {
      const before = await observeInstance(spec.id, options.stateDir);
      const record = before.state === "missing" ? undefined : before.record;
      await requireOwn(spec.id, record, options);
      const own = record?.ports ?? [];
      // What cannot start must not stop what runs.
      let ports = await claimPorts(spec.ports, { ports: own, running: before.state === "running" });
      await clearLocked(spec.id, options);
      for (let races = 1; ; races++) {
        try {
          return await attempt(ports);
        } catch (error) {
          if (!(error instanceof PortLostError) || races === PORT_RACES) throw error;
          ports = await claimPorts(spec.ports);
        }
      }
    });
  } catch (error) {
    throw describeDiskError(error, "the state of instances", options.stateDir);
  } finally {
    running?.release();
  }
}

/**
 * Sees that nobody else has this id. Another incarnation of the same owner's is fine: it is to be replaced, or whoever started
 * it was killed before they could tell anybody.
 */
async function requireOwn(
  id: string,
  record: InstanceRecord | undefined,
  { stateDir, ownership }: Pick<StartOptions, "stateDir" | "ownership">,
): Promise<void> {
  const owner = record?.owner;
  if (owner === undefined || owner === ownership?.owner || !isOfAnother(record, ownership?.incarnation)) return;
  const { folder, pid } = instancePaths(stateDir, id);
  const running = (await qemuProcesses(pid)).map((qemu) => `kill ${qemu.pid}`);
  throw new VisibleError(
    `The name "${id}" is taken on this machine by ${owner}. Give this instance another "name", destroy that one first, or, ` +
      `if this resource had another name or parent before, tell Pulumi so by an alias. ` +
      `If no stack looks after that one any more, remove it by: ${[...running, `rm -r "${folder}"`].join(" && ")}`,
  );
}

async function launch(
  qemu: Qemu,
  probe: AcceleratorProbe,
  spec: InstanceSpec,
  ports: PortMapping[],
  paths: InstancePaths,
  ownership: Ownership | undefined,
): Promise<Tethered> {
  await mkdir(paths.folder, { recursive: true, mode: 0o700 });
  const qmp = qmpSocketPath(paths.folder);
  await prepareSocketFolder(qmp);
  await rm(qmp, { force: true });
  await writeRecord(paths.record, { id: spec.id, ...ownership, image: spec.image.digest, ports, qmp });
  const log = await open(paths.log, "w", 0o600);
  const config = await unlinkedFile(path.join(paths.folder, "config.json"), JSON.stringify(spec.config));
  try {
    const options = qemuArguments({
      machine: spec.machine,
      accelerator: probe.accelerator,
      sandbox: probe.sandbox,
      qboot: probe.qboot,
      memory: spec.memory,
      cpus: spec.cpus,
      kernel: spec.image.kernel.path,
      disk: spec.image.disk,
      ports,
      config: "/dev/fd/3",
      status: { file: paths.status },
      console: { file: paths.console },
      qmp: { socket: qmp },
      pidFile: paths.pid,
      name: spec.id,
    });
    // A session of its own: neither ^C in this terminal nor its end reach the guest.
    const stdio = ["ignore", log.fd, log.fd, config.fd] as const;
    const tethered = spawnTethered(qemu.path, options, { detached: true, stdio: [...stdio], cwd: "/" });
    const { child } = tethered;
    child.unref();
    await new Promise((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", reject);
    });
    return tethered;
  } finally {
    await log.close();
    await config.close();
  }
}

async function untilReady(
  child: ChildProcess,
  ports: PortMapping[],
  paths: InstancePaths,
  options: StartOptions,
): Promise<StartedInstance> {
  const status = new StatusReader(paths.status);
  const events: GuestEvent[] = [];
  const started = performance.now();
  const waiting = new Set(ports);
  let booted: number | undefined;

  for (;;) {
    options.signal?.throwIfAborted();
    const ended = child.exitCode !== null || child.signalCode !== null;
    for (const event of await status.read()) {
      if (event.event === "network") options.status?.(`the guest's network is up (${event.address})`);
      events.push(event);
    }
    const ending = endingOf(events);
    if (ending !== undefined && ended) {
      if (ports.length === 0 && ending.code === 0) return { ports, ending };
      throw new NotReadyError(
        `The guest ended while it was starting: ${ending.reason}. ${await quoteConsole(paths.console)}`,
        ports,
        ending,
      );
    }
    if (ended) throw await unexplainedEnd(child, events, ports, paths);

    if (booted === undefined && events.length > 0) booted = performance.now();
    for (const port of waiting) {
      if (isReachable(events, port) && (port.protocol === "udp" || (await canConnect(port, 1000))))
        waiting.delete(port);
    }
    if (ports.length > 0 ? waiting.size === 0 : booted !== undefined && performance.now() - booted > SETTLE_MS)
      return { ports };

    if (performance.now() - started > options.startTimeoutMs) {
      const missing = ports.length === 0 ? "the kernel has not reported itself" : describeMissing(waiting, events);
      throw new NotReadyError(
        `The guest was not ready after ${options.startTimeoutMs / 1000} s: ${missing}. It runs on for you to look at. ${await quoteConsole(paths.console)}`,
        ports,
        undefined,
      );
    }
    await delay(10);
  }
}

/** What keeps these ports from leading anywhere. */
function describeMissing(ports: ReadonlySet<PortMapping>, events: readonly GuestEvent[]): string {
  const silent: string[] = [];
  const hidden: string[] = [];
  for (const port of ports) {
    const addresses = [...new Set(listenersOn(events, port))];
    if (addresses.length === 0) silent.push(`port ${port.guest}/${port.protocol}`);
    else hidden.push(...addresses.map((address) => `${isIPv6(address) ? `[${address}]` : address}:${port.guest}`));
  }
  return [
    ...(silent.length > 0 ? [`nothing listens on ${silent.join(", ")} in the guest`] : []),
    ...(hidden.length > 0
      ? [`it listens on ${hidden.join(", ")} only, where nothing outside reaches it; let it listen on 0.0.0.0`]
      : []),
  ].join(", and ");
}

/** QEMU ended and the guest said nothing of an ending: either QEMU could not start, or the guest reset itself or was killed. */
async function unexplainedEnd(
  child: ChildProcess,
  events: GuestEvent[],
  ports: PortMapping[],
  paths: InstancePaths,
): Promise<Error> {
  const log = (await readFile(paths.log, "utf8").catch(() => "")).trim();
  const complaint = log.split("\n").at(-1) ?? "";
  if (events.length === 0 && child.exitCode !== 0 && complaint !== "") {
    const message = `QEMU could not start the guest: ${complaint}`;
    return log.includes("host forwarding rule") ? new PortLostError(message) : new VisibleError(message);
  }
  const ending = silentEnding(child, complaint);
  return new NotReadyError(
    `The guest ended while it was starting: ${ending.reason}. ${await quoteConsole(paths.console)}`,
    ports,
    ending,
  );
}
