import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync } from "node:fs";
import * as path from "node:path";
import { expect, test } from "vitest";
import { Cli } from "../support/cli.js";
import { guestProgram } from "../support/guest.js";
import { withMachine } from "../support/machine.js";

test("nothing of the output is lost when the input of `unikernel run` has ended", async () => {
  const program = guestProgram("conformance-processes");
  const onLinux = execFileSync(program, { encoding: "utf8" });

  await withMachine(async (machine) => {
    mkdirSync(path.join(machine.folder, "root/tmp"), { recursive: true });
    copyFileSync(program, path.join(machine.folder, "root/program"));
    const { stdout, code } = await new Cli(machine, ["run", "root", "--", "/program"]).finished;

    expect(stdout.replaceAll("\r", "")).toBe(onLinux);
    expect(code).toBe(0);
  });
});
