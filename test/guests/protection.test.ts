import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Guest, guestProgram } from "../support/guest.js";
import { Machine } from "../support/machine.js";
import { runImage } from "../support/run.js";

let machine: Machine;
beforeEach(() => {
  machine = new Machine();
});
afterEach(() => machine.dispose());

/** A root file system with this program as `/program`, and a command line that runs it. */
function rootWith(program: string, ...args: string[]): { directory: string; command: string[] } {
  const directory = path.join(machine.folder, "root");
  mkdirSync(directory);
  copyFileSync(guestProgram(program), path.join(directory, "program"));
  writeFileSync(path.join(directory, "victim"), "a file of the image\n", { mode: 0o755 });
  return { directory, command: ["/program", ...args] };
}

describe("files that were written", () => {
  test.each([1, 2])("are executed no more than on a Linux mount with noexec, on %i CPUs", async (cpus) => {
    const program = guestProgram("protection");
    const script = 'mount -t tmpfs -o noexec none "$1" && cd "$1" && exec "$2"';
    const onLinux = execFileSync(
      "unshare",
      ["--map-root-user", "--mount", "sh", "-c", script, "sh", machine.folder, program],
      { encoding: "utf8" },
    );

    const { lines } = await runImage(machine, { source: rootWith("protection") }, { cpus });

    expect(lines).toEqual(onLinux.split("\n"));
    expect(lines).toContain("executed: again");
  });

  test("are not executed from memory, nor in the place of a file of the image", async () => {
    const { lines } = await runImage(machine, { source: rootWith("written") });

    expect(lines).toEqual([
      "write(memory, code, sizeof code) works",
      "map memory: EPERM",
      'fexecve(memory, (char *[]){"memory", "memory", NULL}, environ) = -1 EACCES',
      "map a file: works",
      "pwrite(file, code, sizeof code, 0) works",
      "signal 11, code 2",
      "mprotect(at, 8192, PROT_READ) = 0",
      "mprotect(at, 8192, PROT_READ | PROT_EXEC) = -1 EACCES",
      'access("/victim", X_OK) = -1 EACCES',
      'rename("/victim", argv[0]) = 0',
      'execve(argv[0], (char *[]){argv[0], "replaced", NULL}, environ) = -1 EACCES',
      "",
    ]);
  });

  test("are executed when the image says so", async () => {
    const { lines } = await runImage(machine, { source: rootWith("written"), allowExecWritten: true });

    expect(lines).toContain("map memory: works");
    expect(lines.filter((line) => line === "it returned 42")).toHaveLength(2);
    // It is six bytes of code, no program.
    expect(lines.filter((line) => line.includes("ENOEXEC"))).toHaveLength(2);
  });
});

test("every CPU keeps the kernel from the application's pages and from writing where it may only read", async () => {
  const source = { binary: guestProgram("c-server") };
  const guest = await Guest.start(machine, { source }, { cpus: 2 });
  const cpus = await guest.registers();
  await guest.stop();

  expect(cpus).toHaveLength(2);
  const bits = { CR0: { WP: 16n }, CR4: { UMIP: 11n, SMEP: 20n, SMAP: 21n }, EFER: { NX: 11n } };
  for (const [number, cpu] of cpus.entries())
    for (const [register, names] of Object.entries(bits))
      for (const [name, bit] of Object.entries(names))
        expect(((cpu.get(register) ?? 0n) >> bit) & 1n, `${name} of CPU ${number}`).toBe(1n);
});

test("the parts of a program lie elsewhere each time, by 24 bits and more", async () => {
  const samples = async (): Promise<Record<string, bigint>[]> => {
    const { lines } = await runImage(machine, { source: rootWith("layout", "32") });
    return lines
      .filter((line) => line !== "")
      .map((line) =>
        Object.fromEntries(
          Object.entries(JSON.parse(line) as Record<string, string>).map(([part, hex]) => [part, BigInt(`0x${hex}`)]),
        ),
      );
  };
  const first = await samples();
  machine.dispose();
  machine = new Machine();
  const all = [...first, ...(await samples())];

  expect(all).toHaveLength(64);
  // A bit that is random stays the same in all of them once in 2 ** 63 times.
  const varying = (part: string): number => {
    const bits = all.reduce((set, sample) => set | ((sample[part] ?? 0n) ^ (all[0]?.[part] ?? 0n)), 0n);
    return [...bits.toString(2)].filter((bit) => bit === "1").length;
  };
  for (const part of ["program", "mapping", "stack", "heap", "vdso"]) expect(varying(part), part).toBeGreaterThan(23);
  expect(varying("canary")).toBeGreaterThan(56);
});
