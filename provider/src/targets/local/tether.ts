import { spawn, type ChildProcess, type SpawnOptions, type StdioOptions } from "node:child_process";
import type { Duplex } from "node:stream";

/** A child that does not outlive this process, unless it is released. */
export interface Tethered {
  child: ChildProcess;
  /** Lets the child live on when this process ends. */
  release(): void;
}

/**
 * Starts a program that is killed when this process ends, even by SIGKILL and even before the program runs.
 *
 * A shell forks a watcher and then becomes the program. The watcher reads a pipe whose other end only this process holds: a line says that
 * the child is released or has ended, an end without one that this process has ended.
 *
 * @param stdio - What the program gets as descriptors 0, 1, 2, …; nine at most.
 */
export function spawnTethered(
  program: string,
  args: readonly string[],
  { stdio, ...options }: SpawnOptions & { stdio: Exclude<StdioOptions, string> },
): Tethered {
  const tether = stdio.length;
  // The watcher holds nothing of the program's: whoever waits for the end of a pipe waits for the program alone. It becomes a shell with
  // a command line of its own, lest it be taken for the program.
  const inherited = Array.from({ length: Math.max(0, tether - 3) }, (_, i) => `${i + 3}<&-`).join(" ");
  const watcher = `exec sh -c 'read -r _ || kill -9 "$0"' $$ 0<&${tether} ${tether}<&- >/dev/null 2>&1 ${inherited}`;
  const script = `(${watcher}) & exec ${tether}<&- "$@"`;
  const child = spawn("sh", ["-c", script, "sh", program, ...args], { ...options, stdio: [...stdio, "pipe"] });

  const pipe = child.stdio[tether] as Duplex | null | undefined;
  // The watcher may be gone already. That it goes has to be read for the pipe to close.
  pipe?.on("error", () => undefined).resume();
  const release = (): void => {
    if (!pipe?.writableEnded) pipe?.end("\n");
  };
  child.once("exit", release);
  return { child, release };
}
