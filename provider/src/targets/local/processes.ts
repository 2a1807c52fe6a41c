import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The command line of a process, arguments separated by a zero or a space; undefined when there is no such process. */
export async function commandLine(pid: number): Promise<string | undefined> {
  if (process.platform === "linux") {
    const text = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    return text === "" ? undefined : text;
  }
  const { stdout } = await run("ps", ["-ww", "-o", "command=", "-p", String(pid)]).catch(() => ({ stdout: "" }));
  return stdout.trim() === "" ? undefined : stdout.trim();
}

/** The name of a process's program, for messages. */
export async function programName(pid: number): Promise<string | undefined> {
  const text = await commandLine(pid);
  return text?.split(/[\0 ]/)[0]?.split("/").at(-1);
}

/** Tells a process from a later one with the same number. Undefined when it is gone. */
export async function startTime(pid: number): Promise<string | undefined> {
  if (process.platform === "linux") {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
    // The program's name may hold spaces and brackets; the fields after it do not. State is the first, start time the twentieth.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return stat === "" || fields[0] === "Z" ? undefined : fields[19];
  }
  const { stdout } = await run("ps", ["-o", "lstart=", "-p", String(pid)]).catch(() => ({ stdout: "" }));
  return stdout.trim() === "" ? undefined : stdout.trim();
}

/**
 * The pid of the QEMU that keeps this pid file. A pid file outlives a machine's crash, and its number may be another program's by
 * then: the process must name this very pid file on its command line.
 */
export async function qemuProcess(pidFile: string): Promise<number | undefined> {
  const text = await readFile(pidFile, "utf8").catch(() => "");
  const pid = Number.parseInt(text, 10);
  if (!(pid > 1)) return undefined;
  const line = await commandLine(pid);
  return line?.split(/[\0 ]/).includes(pidFile) || line?.includes(` ${pidFile} `) ? pid : undefined;
}

/** Waits until the QEMU of this pid file is gone; tells whether it is. */
export async function untilGone(pidFile: string, timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while ((await qemuProcess(pidFile)) !== undefined) {
    if (performance.now() >= deadline) return false;
    await delay(20, undefined, signal && { signal });
  }
  return true;
}
