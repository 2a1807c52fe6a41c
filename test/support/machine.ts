import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import type { InstanceSpec, StartOptions } from "../../provider/src/targets/local/index.js";

/** A user's machine with nothing on it: folders of its own for cache and state. */
export class Machine {
  readonly folder = mkdtempSync(path.join(os.tmpdir(), "unikernel-test-"));
  readonly cacheHome = path.join(this.folder, "cache");
  readonly stateHome = path.join(this.folder, "state");
  readonly cacheDir = path.join(this.cacheHome, "unikernel");
  readonly stateDir = path.join(this.stateHome, "unikernel");

  /** What a program that runs on this machine has in its environment. */
  get environment(): Record<string, string> {
    return { XDG_CACHE_HOME: this.cacheHome, XDG_STATE_HOME: this.stateHome };
  }

  /** The processes of the QEMUs that this machine's instances run in. */
  guests(): number[] {
    const listing = execFileSync("ps", ["-ww", "-eo", "pid=,args="], { encoding: "utf8", maxBuffer: 1 << 26 });
    return listing
      .split("\n")
      .filter((line) => line.includes("qemu-system-") && line.includes(this.stateHome))
      .map((line) => Number.parseInt(line, 10));
  }

  /** Ends every guest that a failed test left, and removes the folder. */
  dispose(): void {
    for (const pid of this.guests()) process.kill(pid, "SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
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
