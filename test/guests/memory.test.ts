import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { guestProgram } from "../support/guest.js";
import { Machine } from "../support/machine.js";
import { runImage } from "../support/run.js";

let machine: Machine;
beforeEach(() => {
  machine = new Machine();
});
afterEach(() => machine.dispose());

/** Runs a program that uses up what `what` names, in a guest of 16 MiB. */
function useUp(program: "exhaust" | "oom", what: string, cpus = 1) {
  const source = { binary: guestProgram(program) };
  return runImage(machine, { source, args: [what] }, { memory: 16, cpus });
}

/** A file whose 32-bit words say which file it is and where they are, as `memory/pages.c` expects them. */
function numbered(file: number, bytes: number): Uint8Array {
  const words = new Uint32Array(bytes / 4);
  for (let index = 0; index < words.length; index++) {
    const value = Math.imul(index + 1, 2654435761) ^ Math.imul(file, 40503);
    words[index] = value ^ (value >>> 15);
  }
  return new Uint8Array(words.buffer);
}

describe("files many times larger than memory", () => {
  test.each([
    ["threads", 1],
    ["threads", 2],
    ["processes", 1],
    ["processes", 2],
  ])("are read and mapped whole by %s on %i CPUs", async (kind, cpus) => {
    const directory = path.join(machine.folder, "root");
    mkdirSync(directory);
    copyFileSync(guestProgram("pages"), path.join(directory, "pages"));
    for (const [index, name] of ["one", "two"].entries())
      writeFileSync(path.join(directory, name), numbered(index, 12 << 20));
    const command = ["/pages", kind, "3", "/one", "/two"];

    const { lines } = await runImage(machine, { source: { directory, command } }, { memory: 8, cpus });

    expect(lines).toEqual(["23040 pages, 0 wrong words", ""]);
  });
});

describe("a guest whose memory is used up", () => {
  test.each([
    ["by one process", "memory", 1],
    ["by one process on two CPUs", "memory", 2],
  ])("%s ends and says what it is used for", async (_, what, cpus) => {
    const run = await useUp("exhaust", what, cpus);

    const figures =
      /^there is none for a page of the application; of 1\d\.\d MiB, the application uses 1\d\.\d MiB, files that it wrote \d+ KiB, files of the image \d+ KiB, page tables \d+ KiB, the kernel \d+ KiB, devices \d+ KiB, and \d+ KiB are free\. Give the instance more/;
    const out = "out of memory: there is none for a page of the application; ";
    expect(run).toMatchObject({ kernel: [expect.stringContaining(out) as string], code: 137 });
    const message = run.kernel[0]?.replace("out of memory: ", "");
    expect(message).toMatch(figures);
    expect(run.reason).toBe(`the guest ran out of memory: ${message}`);
  });
});

describe("processes that use up the memory end, not the guest:", () => {
  const ended = (pid: string, name = "oom") =>
    expect.stringMatching(
      `^out of memory: there is none for (a page of the application|an object of the kernel's); process ${pid} \\(${name}\\), which has \\d+(\\.\\d)? (MiB|KiB) of its own, is ended for it; of 1\\d\\.\\d MiB, the application uses `,
    ) as string;

  test.each([1, 2])("the one that takes it, and its parent gets its lock, %i CPU", async (cpus) => {
    const { lines, kernel, code } = await useUp("oom", "one", cpus);

    const once = ["the child: Killed", "its lock: EOWNERDEAD"];
    expect(lines).toEqual([...once, ...once, "the parent has what it had", "the parent goes on", ""]);
    expect(kernel).toEqual([ended("2"), ended("3")]);
    expect(code).toBe(0);
  });

  test.each([1, 2])("the one whose score says so, %i CPU", async (cpus) => {
    const { lines, kernel } = await useUp("oom", "adjusted", cpus);

    expect(lines).toEqual([
      "scores: 0, 0, then by the adjustment",
      "the one that is to end first: Killed",
      "the one that takes it: Killed",
      "the parent goes on",
      "",
    ]);
    expect(kernel).toEqual([ended("3"), ended("4")]);
  });

  test.each([1, 2])("of many that write to what they had in common all but a few, %i CPU", async (cpus) => {
    const { lines, kernel } = await useUp("oom", "many", cpus);

    expect(lines).toEqual(["most ended for the others", "the parent goes on", ""]);
    expect(kernel.length).toBeGreaterThanOrEqual(8);
    expect(new Set(kernel).size).toBe(kernel.length);
    for (const line of kernel) expect(line).toEqual(ended("\\d+"));
  });
});

describe("what is refused before memory is used up:", () => {
  const ends = {
    files: "ENOSPC",
    memfd: "ENOSPC",
    pipes: "ENOMEM",
    sockets: "ENOMEM",
    threads: "EAGAIN",
    processes: "ENOMEM",
    descriptors: "ENOMEM",
    mappings: "ENOMEM",
  };
  const rows = Object.entries(ends).flatMap(([what, error]) => [1, 2].map((cpus) => [what, error, cpus] as const));

  test.each(rows)("%s: ends with %s, and is there again when it is given back, %i CPU", async (what, error, cpus) => {
    const { lines, kernel, code } = await useUp("exhaust", what, cpus);

    expect({ kernel, code }).toEqual({ kernel: [], code: 0 });
    expect(lines).toEqual([`${what}: ${error}`, expect.stringMatching(/^\w+: \d+, \d+$/), "done", ""]);
  });
});
