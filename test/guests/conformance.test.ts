import { copyFileSync, mkdirSync, readdirSync } from "node:fs";
import * as path from "node:path";
import { describe, expect, test } from "vitest";
import { guestProgram, onLinux } from "../support/guest.js";
import { hasIpv6 } from "../support/ipv6.js";
import { withMachine } from "../support/machine.js";
import { runImage } from "../support/run.js";

/** The programs, each a file in `conformance/`. */
const programs = readdirSync(path.join(import.meta.dirname, "conformance"))
  .filter((file) => file.endsWith(".c"))
  .map((file) => path.basename(file, ".c"));

/** Programs that are about what CPUs do at the same time. */
const races = new Set(["races"]);

/** A CPU of its own for each child makes another order of events than one for all. */
const cases = programs
  .map((name) => ({ name, cpus: races.has(name) ? 2 : 1 }))
  .concat(
    ["affinity", "processes", "pseudo_terminal", "rseq", "seccomp", "wakeups"].map((name) => ({ name, cpus: 2 })),
  );

/** Programs that run what they have written. */
const execWritten = new Set(["execute", "interpreters", "privileges", "text_busy"]);

/** Programs that begin as root, on Linux too. */
const asRoot = new Set(["adjtimex", "capabilities", "privileges"]);
const isRoot = process.getuid?.() === 0;
const cannotRun = (name: string): boolean => (!isRoot && asRoot.has(name)) || (!hasIpv6 && name === "ipv6");

describe.each(cases)("$name, $cpus CPU", ({ name, cpus }) => {
  test.skipIf(cannotRun(name))("the same binary prints the same on Linux and in a guest", async () => {
    await withMachine(async (machine) => {
      const expected = onLinux(machine, `conformance-${name}`).split("\n");
      const directory = path.join(machine.folder, "root");
      mkdirSync(path.join(directory, "tmp"), { recursive: true });
      copyFileSync(guestProgram(`conformance-${name}`), path.join(directory, "program"));
      const spec = { source: { directory, command: ["/program"] }, allowExecWritten: execWritten.has(name) };
      const { lines } = await runImage(machine, spec, { cpus });

      expect(lines).toEqual(expected);
    });
  });
});
