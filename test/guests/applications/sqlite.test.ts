import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { guestProgram } from "../../support/guest.js";
import { withMachine } from "../../support/machine.js";
import { runImage } from "../../support/run.js";

describe("SQLite 3, with four processes of two threads each on one database, in each mode of its journal", () => {
  test.each([1, 2])("keeps each transaction whole, and none of a killed process, on %i CPUs", async (cpus) => {
    await withMachine(async (machine) => {
      const program = guestProgram("sqlite");
      // In memory, as in the guest: a disk makes Linux wait for thousands of its writes.
      const env = { ...process.env, TMPDIR: "/dev/shm" };
      const expected = execFileSync(program, { encoding: "utf8", env }).split("\n");
      const { code, lines, kernel } = await runImage(machine, { source: { binary: program } }, { cpus });

      expect(lines).toEqual(expected);
      expect({ code, kernel }).toEqual({ code: 0, kernel: [] });
    });
  });
});
