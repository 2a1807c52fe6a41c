import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import { createInterface, type Interface } from "node:readline";
import { expect } from "vitest";
import { scriptedGuest } from "../../provider/src/targets/local/testing/scripted-guest.js";
import { SERVER } from "./guests.js";
import type { Machine } from "./machine.js";

const support = import.meta.dirname;

export type How = "SIGKILL" | "SIGINT" | "SIGTERM" | "ENOSPC" | "stall";

/** How a process is made to fail: see `faults.cjs`. */
export interface Fault {
  at?: string;
  how?: How;
  record?: string;
  paused?: string;
}

/** How an operation ended. */
export interface Outcome {
  /** What went wrong, as a person is told. */
  error?: string;
  /** The process was killed. */
  killed?: boolean;
  /** A signal asked the process to end, and it has ended. */
  interrupted?: boolean;
}

/** A process that runs the provider's operations, one after the other, until one of them kills it; then there is a new one. */
export class Operator {
  #process: { child: ChildProcessWithoutNullStreams; lines: Interface } | undefined;

  async run(request: object): Promise<Outcome> {
    const { child, lines } = (this.#process ??= this.#start());
    return new Promise((resolve) => {
      let outcome: Outcome | undefined;
      const answer = (line: string): void => {
        outcome = JSON.parse(line) as Outcome;
        if (outcome.interrupted) return;
        child.off("exit", died);
        resolve(outcome);
      };
      const died = (_code: number | null, signal: NodeJS.Signals | null): void => {
        this.#process = undefined;
        lines.off("line", answer);
        resolve(outcome ?? (signal === "SIGKILL" ? { killed: true } : { error: "the process ended" }));
      };
      lines.once("line", answer);
      child.once("exit", died);
      child.stdin.write(`${JSON.stringify(request)}\n`);
    });
  }

  dispose(): void {
    this.#process?.child.kill("SIGKILL");
  }

  #start(): { child: ChildProcessWithoutNullStreams; lines: Interface } {
    const programs = ["--require", path.join(support, "faults.cjs"), path.join(support, "operate.cjs")];
    const child = spawn(process.execPath, programs, { stdio: "pipe" });
    return { child, lines: createInterface({ input: child.stdout }) };
  }
}

/** A project with an image and an instance. */
export class Project {
  readonly folder: string;

  constructor(
    readonly machine: Machine,
    readonly operator: Operator,
    readonly inputs: { image: object; instance: object },
  ) {
    this.folder = path.join(machine.folder, "project");
    mkdirSync(this.folder);
    writeFileSync(this.#kernel, scriptedGuest(...SERVER));
    this.change({});
  }

  get #kernel(): string {
    return path.join(this.machine.folder, "kernel.elf");
  }

  /** Changes the instance's inputs. */
  change(instance: object): void {
    const { image } = this.inputs;
    const inputs = { image, instance: { ...this.inputs.instance, ...instance } };
    writeFileSync(path.join(this.folder, "inputs.json"), JSON.stringify(inputs));
  }

  run(operation: "up" | "destroy", fault: Fault = {}): Promise<Outcome> {
    const environment = { ...this.machine.environment, TMPDIR: this.machine.folder, UNIKERNEL_KERNEL: this.#kernel };
    return this.operator.run({ operation, folder: this.folder, environment, fault });
  }

  /** Runs an operation that has to work. */
  async succeed(operation: "up" | "destroy"): Promise<void> {
    expect(await this.run(operation)).toEqual({});
  }

  /** The files of instances, and whatever is in the cache that is no entry of it. */
  leftovers(): string[] {
    const below = (folder: string): string[] =>
      existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: "utf8" }) : [];
    return [
      ...below(this.machine.stateDir).filter((name) => !["instances", "locks"].includes(name)),
      ...below(path.join(this.machine.cacheDir, "v1/tmp")).map((name) => `tmp/${name}`),
    ].sort();
  }
}

/** The points at which a process can be made to fail, as running it tells. */
export async function pointsOf(machine: Machine, work: (fault: Fault) => Promise<void>): Promise<string[]> {
  const record = path.join(machine.folder, "points");
  rmSync(record, { force: true });
  appendFileSync(record, "");
  await work({ record });
  return readFileSync(record, "utf8").trim().split("\n");
}

/** Does the same for each of many, a few at a time, each of these with something of its own. */
export async function inLanes<T, Own>(
  all: readonly T[],
  owns: readonly Own[],
  work: (one: T, own: Own) => Promise<void>,
): Promise<void> {
  const queue = [...all];
  const lane = async (own: Own): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      try {
        await work(next, own);
      } catch (error) {
        queue.length = 0;
        throw error;
      }
    }
  };
  // Each is waited for, also when another has failed: nothing goes on behind a test that has ended.
  const failed = (await Promise.allSettled(owns.map(lane))).find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason as Error;
}
