import { copyFileSync, mkdirSync } from "node:fs";
import * as path from "node:path";
import { expect, test } from "vitest";
import { Cli } from "../support/cli.js";
import { guestProgram, onLinux } from "../support/guest.js";
import { withMachine } from "../support/machine.js";

test("nothing of the output is lost when the input of `unikernel run` has ended", async () => {
  await withMachine(async (machine) => {
    const expected = onLinux(machine, "conformance-processes");
    mkdirSync(path.join(machine.folder, "root/tmp"), { recursive: true });
    copyFileSync(guestProgram("conformance-processes"), path.join(machine.folder, "root/program"));
    const { stdout, code } = await new Cli(machine, ["run", "root", "--", "/program"]).finished;

    expect(stdout.replaceAll("\r", "")).toBe(expected);
    expect(code).toBe(0);
  });
});
