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

/** Uses up what `what` names in a guest of 16 MiB. */
function exhaust(what: string, cpus = 1) {
  const source = { binary: guestProgram("exhaust") };
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
    ["by processes that write to what they had in common", "copies", 1],
    ["by the same on two CPUs", "copies", 2],
  ])("%s ends and says what it is used for", async (_, what, cpus) => {
    const run = await exhaust(what, cpus);

    const figures =
      /^there is none for a page of the application; of 1\d\.\d MiB, the application uses 1\d\.\d MiB, files that it wrote \d+ KiB, files of the image \d+ KiB, page tables \d+ KiB, the kernel \d+ KiB, devices \d+ KiB, and \d+ KiB are free\. Give the instance more/;
    const out = "out of memory: there is none for a page of the application; ";
    expect(run).toMatchObject({ kernel: [expect.stringContaining(out) as string], code: 137 });
    const message = run.kernel[0]?.replace("out of memory: ", "");
    expect(message).toMatch(figures);
    expect(run.reason).toBe(`the guest ran out of memory: ${message}`);
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
    const { lines, kernel, code } = await exhaust(what, cpus);

    expect({ kernel, code }).toEqual({ kernel: [], code: 0 });
    expect(lines).toEqual([`${what}: ${error}`, expect.stringMatching(/^\w+: \d+, \d+$/), "done", ""]);
  });
});
