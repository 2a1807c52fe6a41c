import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { PATIENCE_MS } from "../support/limits.js";

const root = path.resolve(import.meta.dirname, "../..");

interface Rust {
  cargo: string;
  env: NodeJS.ProcessEnv;
  bareMetal: string[];
}

interface Outcome {
  /** The exit status that the guest gave. */
  code: number;
  console: string;
}

/** Builds the guests of the machine's own crate, which need no disk and no application. */
async function buildExamples(): Promise<void> {
  const script = pathToFileURL(path.join(root, "scripts/tools/rust.mjs")).href;
  const { rust } = (await import(script)) as { rust: () => Promise<Rust> };
  const { cargo, env, bareMetal } = await rust();
  execFileSync(
    cargo,
    ["build", "--release", "--locked", "--package", "hal", "--examples", "--features", "guest", ...bareMetal],
    { cwd: path.join(root, "kernel"), env, stdio: ["ignore", "ignore", "inherit"] },
  );
}

/** Machines, and what starts them: their own firmware, or one that gives PCI devices no addresses. */
const machines = [
  ["q35", "its own firmware"],
  ["q35", "qboot.rom"],
  ["pc", "its own firmware"],
  ["pc", "qboot.rom"],
  ["microvm", "its own firmware"],
] as const;

function boot(
  example: string,
  {
    machine = "q35",
    firmware = "its own firmware",
    cpu = "max",
    cpus = 1,
    memory = 32,
    words = "",
    debuggerAt = "",
  } = {},
): Promise<Outcome> {
  const kernel = path.join(root, "kernel/target/x86_64-unknown-none/release/examples", example);
  const qemu = spawn(
    "qemu-system-x86_64",
    [
      ...["-accel", "tcg", "-machine", machine, "-cpu", cpu, "-smp", String(cpus), "-m", String(memory)],
      ...(firmware === "its own firmware" ? [] : ["-bios", firmware]),
      ...["-kernel", kernel, "-append", words, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
      ...["-serial", "stdio", "-device", "isa-debug-exit,iobase=0x501,iosize=2"],
      // Stopped until the debugger lets it run.
      ...(debuggerAt === "" ? [] : ["-S", "-gdb", `unix:${debuggerAt},server=on,wait=off`]),
    ],
    { stdio: ["ignore", "pipe", "inherit"], timeout: PATIENCE_MS, killSignal: "SIGKILL" },
  );
  let console = "";
  qemu.stdout.setEncoding("utf8").on("data", (text: string) => (console += text));
  return new Promise((resolve, reject) => {
    qemu.on("error", reject);
    // The device ends QEMU with twice the status plus one.
    qemu.on("close", (status) => resolve({ code: ((status ?? 0) - 1) / 2, console }));
  });
}

/** Connects as GDB does, as soon as QEMU listens. */
function debug(socketPath: string): Promise<Socket> {
  const attempt = async (): Promise<Socket> => {
    const socket = connect(socketPath);
    await once(socket, "connect");
    return socket;
  };
  return vi.waitFor(attempt, { timeout: PATIENCE_MS, interval: 20 });
}

/** A command of GDB's remote protocol. */
function command(text: string): string {
  const sum = [...Buffer.from(text)].reduce((sum, byte) => (sum + byte) % 256, 0);
  return `$${text}#${sum.toString(16).padStart(2, "0")}`;
}

beforeAll(buildExamples, 600_000);

describe("the machine", () => {
  test.each(machines)(
    "boots on %s by %s, runs user code and keeps time, with and without the newer CPU features",
    async (machine, firmware) => {
      for (const cpu of ["max", "qemu64"])
        expect(await boot("smoke", { machine, firmware, cpu })).toMatchObject({ code: 7 });
    },
  );

  test.each([
    [8, "its own firmware"],
    [8, "qboot.rom"],
    [4096, "its own firmware"],
    [4096, "qboot.rom"],
  ])("boots in %i MiB by %s", async (memory, firmware) => {
    expect(await boot("smoke", { memory, firmware })).toMatchObject({ code: 7 });
  });

  test.each(machines)(
    "starts eight CPUs on %s by %s, and takes pages away from all of them",
    async (machine, firmware) => {
      const outcome = await boot("smoke", { machine, firmware, cpus: 8, memory: 64 });

      expect(outcome).toMatchObject({ code: 7 });
      expect(outcome.console).toContain(
        "8 CPUs, 0 left out\nunmapped pages are out of reach\nlarge objects fit into pieces",
      );
    },
  );

  test("waits for a CPU that the host does not run for two seconds", async () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), "debugger-"));
    try {
      const debuggerAt = path.join(folder, "gdb");
      const outcome = boot("smoke", { cpus: 2, firmware: "qboot.rom", debuggerAt });
      const gdb = await debug(debuggerAt);
      gdb.write(command("vCont;c:1"));
      await sleep(2000);
      // Stopped and left, all CPUs run.
      gdb.write("\x03");
      await once(gdb, "data");
      gdb.end(`+${command("D")}`);

      expect(await outcome).toMatchObject({
        code: 7,
        console: expect.stringContaining("2 CPUs, 0 left out\n") as string,
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("ends with a message, a backtrace and its own status when the kernel fails", async () => {
    const { code, console } = await boot("smoke", { words: "panic" });

    expect(code).toBe(127);
    expect(console).toMatch(/unikernel: panic: as "asked" \(.*smoke\.rs:\d+\)\nunikernel: {3}from 0x/);
  });
});

describe("out of memory", () => {
  test("the guest ends with the status of a process that was killed for it", async () => {
    const { code, console } = await boot("smoke", { words: "memory" });

    // The device has room for seven bits: 137 is 9.
    expect(code).toBe(137 & 127);
    expect(console).toContain("unikernel: panic: memory allocation of 1048576 bytes failed");
  });
});

describe("what the machine stops", () => {
  test.each(["max", "qemu64"])(
    "user mode from reading, writing or running what is not its own (CPU %s)",
    async (cpu) => {
      expect(await boot("attack", { cpu })).toMatchObject({ code: 7 });
    },
  );

  test.each([
    ["write-code", "page fault"],
    ["write-constant", "page fault"],
    ["execute-heap", "page fault"],
    ["execute-stack", "page fault"],
    ["read-null", "page fault"],
    ["read-user", "page fault"],
    ["execute-user", "page fault"],
    ["overflow-stack", "double fault"],
  ])("the kernel from %s", async (words, fault) => {
    const { code, console } = await boot("attack", { words });

    expect(code).toBe(127);
    expect(console).toContain(`unikernel: panic: ${fault}`);
    expect(console).not.toContain("succeeded");
  });

  test("nothing on a CPU without the feature: the attack itself works", async () => {
    const { code, console } = await boot("attack", { cpu: "qemu64", words: "read-user" });

    expect(code).toBe(1);
    expect(console).toContain("the attack succeeded");
  });
});

describe("where things are", () => {
  test("differs from boot to boot", async () => {
    const address = async (): Promise<string | undefined> =>
      /address (0x[0-9a-f]+)\)/.exec((await boot("attack", { words: "write-code" })).console)?.[1];

    expect(new Set([await address(), await address(), await address()]).size).toBe(3);
  });
});
