import { spawn, type ChildProcess } from "node:child_process";
import * as path from "node:path";
import type { Machine } from "./machine.js";

/** Path of the command `unikernel`. */
export const program = path.resolve(import.meta.dirname, "../../provider/bin/unikernel.js");

/** What a command said and how it ended. */
export interface Finished {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** The command `unikernel`, as a person runs it. */
export class Cli {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  stdout = "";
  stderr = "";

  constructor(
    machine: Machine,
    args: string[],
    options: { env?: Record<string, string>; cwd?: string; input?: string } = {},
  ) {
    this.child = spawn(process.execPath, [program, ...args], {
      cwd: options.cwd ?? machine.folder,
      env: { ...process.env, ...machine.environment, TMPDIR: machine.folder, ...options.env },
      timeout: 300_000,
      killSignal: "SIGKILL",
    });
    this.child.stdin?.end(options.input ?? "");
    this.child.stdout?.on("data", (chunk: Buffer) => (this.stdout += chunk.toString()));
    this.child.stderr?.on("data", (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.finished = new Promise((resolve) => {
      this.child.on("close", (code) => resolve({ code, stdout: this.stdout, stderr: this.stderr }));
    });
  }
}
