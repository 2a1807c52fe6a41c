import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync } from "node:fs";
import * as path from "node:path";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { buildImage } from "../../provider/src/image/index.js";
import { runForeground } from "../../provider/src/targets/local/index.js";
import { guestProgram } from "../support/guest.js";
import { withMachine, type Machine } from "../support/machine.js";

const MIB = 1 << 20;

/** The programs, each a file in `conformance/`. */
const programs = readdirSync(path.join(import.meta.dirname, "conformance"))
  .filter((file) => file.endsWith(".c"))
  .map((file) => path.basename(file, ".c"));

/** The lines that a program prints as the one application of a guest, without the kernel's own. */
async function linesInGuest(machine: Machine, program: string, cpus: number): Promise<string[]> {
  const directory = path.join(machine.folder, "root");
  mkdirSync(path.join(directory, "tmp"), { recursive: true });
  copyFileSync(program, path.join(directory, "program"));
  const image = await buildImage(
    { source: { directory, command: ["/program"] } },
    { baseDir: machine.folder, cacheDir: machine.cacheDir },
  );
  const output = new PassThrough();
  const printed = text(output);
  const spec = { id: "guest", image, memory: 64 * MIB, cpus, ports: [], config: {}, machine: "q35" as const };
  const guest = await runForeground(spec, { cacheDir: machine.cacheDir, output });
  await guest.ended;
  output.end();
  return (await printed).split(/\r?\n/).filter((line) => !line.startsWith("unikernel: "));
}

/** A CPU of its own for each child makes another order of events than one for all. */
const cases = programs.map((name) => ({ name, cpus: 1 })).concat({ name: "processes", cpus: 2 });

test.each(cases)(
  "$name: the same binary prints the same on Linux and in a guest, $cpus CPU",
  async ({ name, cpus }) => {
    const program = guestProgram(`conformance-${name}`);
    const onLinux = execFileSync(program, { encoding: "utf8" }).split("\n");

    await withMachine(async (machine) => {
      expect(await linesInGuest(machine, program, cpus)).toEqual(onLinux);
    });
  },
);
