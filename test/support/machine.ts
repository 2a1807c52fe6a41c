import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { inject, onTestFailed } from "vitest";
import { getCurrentTest } from "vitest/suite";
import type { InstanceSpec, StartOptions } from "../../provider/src/targets/local/index.js";

/** A process of this computer. */
export interface Process {
  pid: number;
  args: string[];
}

/** The processes for which this holds. Those that may not be looked at, or end meanwhile, are left out. */
export function findProcesses(wanted: (args: string[], environment: () => string) => boolean): Process[] {
  return readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const args = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1);
      // A zombie has no arguments.
      return args.length > 0 && wanted(args, () => readFileSync(`/proc/${pid}/environ`, "utf8"))
        ? [{ pid: Number(pid), args }]
        : [];
    } catch {
      return [];
    }
  });
}

/**
 * A user's machine: folders of its own for cache and state. Its cache holds nothing but which accelerator works, which is the same for all and
 * takes a second or two to find out.
 */
export class Machine {
  readonly folder = mkdtempSync(path.join(os.tmpdir(), "unikernel-test-"));
  readonly cacheHome = path.join(this.folder, "cache");
  readonly stateHome = path.join(this.folder, "state");
  readonly cacheDir = path.join(this.cacheHome, "unikernel");
  readonly stateDir = path.join(this.stateHome, "unikernel");

  /** Lets guests start by QEMU's default firmware, as where its package has no other. */
  leaveOutQboot(): void {
    const answers = path.join(this.cacheDir, "v1/accelerators");
    for (const file of readdirSync(answers).map((name) => path.join(answers, name))) {
      const answer = JSON.parse(readFileSync(file, "utf8")) as object;
      writeFileSync(file, JSON.stringify({ ...answer, qboot: false, time: Date.now() }));
    }
  }

  /** What a program that runs on this machine has in its environment. */
  get environment(): Record<string, string> {
    return { XDG_CACHE_HOME: this.cacheHome, XDG_STATE_HOME: this.stateHome };
  }

  constructor({ accelerator = true } = {}) {
    if (accelerator) cpSync(inject("accelerators"), path.join(this.cacheDir, "v1/accelerators"), { recursive: true });
  }

  /** The processes of the QEMUs that this machine's guests run in. */
  guests(): number[] {
    return findProcesses(
      ([program = "", ...args]) =>
        path.basename(program).startsWith("qemu-system-") && args.some((arg) => arg.includes(this.folder)),
    ).map(({ pid }) => pid);
  }

  /** What the guests of a test that has failed had to say: it goes with the folder. */
  private readonly consoles: string[] = [];

  /** Shows the consoles of this machine's guests, should the current test fail. */
  showConsolesOfFailure(): void {
    // A guest that a whole suite shares belongs to no test.
    if (!getCurrentTest()) return;
    onTestFailed(() => console.error(this.consoles.join("\n")));
  }

  private readConsoles(): string[] {
    const instances = path.join(this.stateDir, "instances");
    if (!existsSync(instances)) return [];
    const file = (name: string): string => path.join(instances, name, "console.log");
    const names = readdirSync(instances).filter((name) => existsSync(file(name)));
    return names.map((name) => `── console of ${name}\n${readFileSync(file(name), "utf8")}`);
  }

  /** Ends whatever a failed test has left running here, and removes the folder. */
  dispose(): void {
    this.consoles.push(...this.readConsoles());
    const isHere = (text: string): boolean => text.includes(this.folder);
    for (const { pid } of findProcesses((args, environment) => args.some(isHere) || isHere(environment()))) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has just ended by itself.
      }
    }
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /** An instance of a kernel that brings all it does with it. */
  spec(kernel: Uint8Array, change: Partial<InstanceSpec> = {}): InstanceSpec {
    const kernelFile = path.join(this.folder, "kernel.elf");
    const disk = path.join(this.folder, "disk");
    writeFileSync(kernelFile, kernel);
    writeFileSync(disk, Buffer.alloc(4096));
    const digest = `sha256:${"0".repeat(64)}` as const;
    return {
      id: "web",
      image: {
        digest,
        disk,
        architecture: "x86_64",
        minimumMemory: 8 << 20,
        kernel: { path: kernelFile },
      },
      memory: 16 << 20,
      cpus: 1,
      ports: [],
      config: {},
      machine: "q35",
      ...change,
    };
  }

  options(change: Partial<StartOptions> = {}): StartOptions {
    return { cacheDir: this.cacheDir, stateDir: this.stateDir, startTimeoutMs: 20_000, stopTimeoutMs: 500, ...change };
  }
}

/** Runs `work` with a machine of its own. */
export async function withMachine<T>(work: (machine: Machine) => Promise<T>): Promise<T> {
  const machine = new Machine();
  try {
    return await work(machine);
  } finally {
    machine.dispose();
  }
}
