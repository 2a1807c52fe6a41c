import { readdir, rename, rm } from "node:fs/promises";
import * as path from "node:path";
import { VisibleError } from "../../image/index.js";
import { withLock } from "./lock.js";
import { instancePaths, qmpSocketPath } from "./paths.js";
import { qemuProcesses, startTime, untilGone, type ProcessIdentity } from "./processes.js";
import { QmpClient } from "./qmp.js";
import { isOfAnother, readRecord } from "./record.js";

/** What stopping needs to know. */
export interface StopOptions {
  stateDir: string;
  /** The instance's incarnation, if it has one: what has its id by now may be another. */
  incarnation?: string | undefined;
  /** How long the application may take after its image's stop signal, in milliseconds. */
  stopTimeoutMs: number;
  signal?: AbortSignal | undefined;
}

/** How long QEMU may take to end once it is told to. */
const QUIT_TIMEOUT_MS = 3000;

/** The lock that everything that starts or stops an instance holds. */
export function lockFile(stateDir: string, id: string): string {
  return path.join(stateDir, "locks", id);
}

/** Stops an instance and removes its files. One that is gone already is fine, and another that has its id is left alone. */
export async function removeInstance(id: string, options: StopOptions): Promise<void> {
  const lock = { timeoutMs: options.stopTimeoutMs + 60_000, signal: options.signal };
  await withLock(lockFile(options.stateDir, id), lock, async () => {
    const record = await readRecord(instancePaths(options.stateDir, id).record);
    if (!isOfAnother(record, options.incarnation)) await removeLocked(id, options);
  });
}

/** Stops and removes whatever has this id, for whoever holds its lock. */
export async function removeLocked(id: string, options: Omit<StopOptions, "incarnation">): Promise<void> {
  const { folder } = instancePaths(options.stateDir, id);
  await stopQemu(id, options);
  await rm(qmpSocketPath(folder), { force: true });
  await rm(folder, { recursive: true, force: true });
}

/**
 * Stops the guest that another is to take the place of, for whoever holds the lock. Of its files the console stays, which may be all that tells
 * why it had ended.
 */
export async function clearLocked(id: string, options: Omit<StopOptions, "incarnation">): Promise<void> {
  const paths = instancePaths(options.stateDir, id);
  await stopQemu(id, options);
  await rm(qmpSocketPath(paths.folder), { force: true });
  await rename(paths.console, paths.formerConsole).catch(ignoreMissing);
  for (const name of (await readdir(paths.folder).catch(ignoreMissing)) ?? []) {
    const file = path.join(paths.folder, name);
    if (file !== paths.formerConsole) await rm(file, { recursive: true, force: true });
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}

/** Asks the application to end, then QEMU, then leaves it no choice. */
async function stopQemu(id: string, options: Omit<StopOptions, "incarnation">): Promise<void> {
  const { folder, pid: pidFile } = instancePaths(options.stateDir, id);
  const running = await qemuProcesses(pidFile);
  if (running.length === 0) return;

  let qmp: QmpClient | undefined;
  try {
    qmp = await QmpClient.connect(qmpSocketPath(folder));
    await qmp.execute("system_powerdown");
    if (await untilGone(running, options.stopTimeoutMs, options.signal)) return;
    await qmp.execute("quit");
  } catch {
    options.signal?.throwIfAborted();
    // Without its control socket QEMU still takes signals; on SIGTERM it ends itself.
    await kill(running, "SIGTERM");
  } finally {
    qmp?.close();
  }
  if (await untilGone(running, QUIT_TIMEOUT_MS, options.signal)) return;
  await kill(running, "SIGKILL");
  if (await untilGone(running, QUIT_TIMEOUT_MS, options.signal)) return;
  const pids = running.map(({ pid }) => pid).join(", ");
  throw new VisibleError(`QEMU (process ${pids}) of the instance "${id}" does not end, not even when killed.`);
}

async function kill(processes: readonly ProcessIdentity[], signal: NodeJS.Signals): Promise<void> {
  for (const { pid, started } of processes) {
    if ((await startTime(pid)) !== started) continue;
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}
