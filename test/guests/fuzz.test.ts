import { copyFileSync, mkdirSync } from "node:fs";
import * as path from "node:path";
import { expect, test } from "vitest";
import { guestProgram } from "../support/guest.js";
import { withMachine } from "../support/machine.js";
import { runImage } from "../support/run.js";

/** Rounds of each seed, and calls of each of the 16 threads in one. `npm run fuzz` runs as many as one likes, and any of these alone. */
const ROUNDS = 3;
const CALLS = 300;

test.each([
  { cpus: 1, seed: 1 },
  { cpus: 2, seed: 2 },
])("no input to a system call stops the kernel or makes it leak: seed $seed, $cpus CPU", async ({ cpus, seed }) => {
  await withMachine(async (machine) => {
    const directory = path.join(machine.folder, "root");
    for (const name of ["tmp", "work"]) mkdirSync(path.join(directory, name), { recursive: true });
    copyFileSync(guestProgram("fuzz"), path.join(directory, "fuzz"));
    const command = ["/fuzz", "supervise", String(seed), "0", String(ROUNDS), "1000", String(CALLS)];

    const { lines, kernel, reason } = await runImage(
      machine,
      { source: { directory, command } },
      { cpus, memory: 256, limitMs: 240_000 },
    );

    const said = lines.filter((line) => line !== "");
    const panic = kernel.filter((line) => /^panic|^out of memory/.test(line));
    expect({ reason, panic, last: said.at(-1) }, said.join("\n")).toEqual({
      reason: "the application ended with status 0",
      panic: [],
      last: expect.stringMatching(/^\d+ calls in \d+ seconds: whole$/) as string,
    });
  });
});
