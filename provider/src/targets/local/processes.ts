import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
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

/** A process as messages name it: the instance that it runs, or else its program. */
export async function describeProcess(pid: number): Promise<string> {
  const [program, ...args] = (await commandLine(pid))?.split(/[\0 ]/) ?? [];
  const name = program?.split("/").at(-1) ?? "a process";
  const guest = args.find((arg) => name.startsWith("qemu-system-") && arg.startsWith("guest="))?.slice("guest=".length);
  return guest === undefined ? `${name} (process ${pid})` : `the instance "${guest}" (process ${pid})`;
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

/** A process, told from a later one with the same number. */
export interface ProcessIdentity {
  pid: number;
  started: string;
}

/**
 * Every QEMU that was started with this pid file: also one that has not written it yet, and one whose pid file somebody removed. A QEMU that nobody
 * knows of would go on for ever.
 */
export async function qemuProcesses(pidFile: string): Promise<ProcessIdentity[]> {
  const found: ProcessIdentity[] = [];
  for (const pid of await processesNaming(pidFile)) {
    const started = await startTime(pid);
    if (started !== undefined) found.push({ pid, started });
  }
  return found;
}

/** The processes that have this text as an argument. */
async function processesNaming(argument: string): Promise<number[]> {
  if (process.platform === "linux") {
    const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
    const lines = await Promise.all(pids.map(commandLine));
    return pids.filter((_, i) => lines[i]?.split("\0").includes(argument));
  }
  const { stdout } = await run("ps", ["-ww", "-axo", "pid=,command="], { maxBuffer: 1 << 26 });
  const lines = stdout.split("\n").filter((line) => `${line} `.includes(` ${argument} `));
  return lines.map((line) => Number.parseInt(line, 10)).filter((pid) => pid !== process.pid);
}

/** Waits until these processes are gone; tells whether they are. */
export async function untilGone(
  processes: readonly ProcessIdentity[],
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  for (const { pid, started } of processes) {
    while ((await startTime(pid)) === started) {
      if (performance.now() >= deadline) return false;
      await delay(20, undefined, signal && { signal });
    }
  }
  return true;
}
