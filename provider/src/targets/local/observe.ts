import { access } from "node:fs/promises";
import { consoleTail } from "./console-log.js";
import { endingOf, isReachable, StatusReader } from "./guest-status.js";
import { instancePaths } from "./paths.js";
import { qemuProcess } from "./processes.js";
import { readRecord, type InstanceRecord } from "./record.js";

/** How an instance is, as found by looking. */
export type Observation =
  | { state: "missing" }
  | {
      state: "running";
      /** Whether the application can be reached by every port that the instance was started with. */
      ready: boolean;
      record: InstanceRecord | undefined;
    }
  /** The application ended with status 0. */
  | { state: "exited"; exitCode: 0; reason: string; record: InstanceRecord | undefined }
  /** It ended in any other way. `exitCode` is there when the guest told it. */
  | { state: "failed"; exitCode?: number; reason: string; record: InstanceRecord | undefined };

/** Looks at an instance on this machine. */
export async function observeInstance(id: string, stateDir: string): Promise<Observation> {
  const paths = instancePaths(stateDir, id);
  try {
    await access(paths.folder);
  } catch {
    return { state: "missing" };
  }
  const record = await readRecord(paths.record);
  // In this order: once QEMU is gone, the guest's last event is there to be read.
  const qemu = await qemuProcess(paths.pid);
  const events = await new StatusReader(paths.status).read();
  const ending = endingOf(events);
  if (ending === undefined && qemu !== undefined) {
    const ready = events.length > 0 && (record?.ports ?? []).every((port) => isReachable(events, port));
    return { state: "running", ready, record };
  }
  if (ending === undefined) {
    const said = await consoleTail(paths.log, 3);
    const words = said.length === 0 ? "" : ` (QEMU's last words: ${said.join(" / ")})`;
    return {
      state: "failed",
      reason: `QEMU ended without a word from the guest: it was killed, or the guest reset itself${words}`,
      record,
    };
  }
  return ending.code === 0
    ? { state: "exited", exitCode: 0, reason: ending.reason, record }
    : { state: "failed", exitCode: ending.code, reason: ending.reason, record };
}
