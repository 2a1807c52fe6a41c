import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import * as path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { tar, writeLayout } from "../../provider/src/image/testing/oci.js";
import { Cli } from "../support/cli.js";
import { guestProgram } from "../support/guest.js";
import { Machine } from "../support/machine.js";
import { runImage } from "../support/run.js";

let machine: Machine;
beforeEach(() => {
  machine = new Machine();
});
afterEach(() => machine.dispose());

/** Runs an image with this stop signal, asks it to end, and expects the signal of this number to have come. */
async function expectSignal(StopSignal: string | undefined, number: number): Promise<void> {
  const layers = [await tar([{ name: "stop", content: readFileSync(guestProgram("stop")), mode: 0o755 }])];
  writeLayout(path.join(machine.folder, "image"), { layers, config: { Entrypoint: ["/stop"], StopSignal } });
  const cli = new Cli(machine, ["run", "image", "-m", "16MiB"]);
  await expect.poll(() => cli.stdout).toBe("waiting\n");
  cli.child.kill("SIGTERM");

  expect(await cli.finished).toMatchObject({
    code: 7,
    stdout: `waiting\nsignal ${number}, of the kernel, from process 0\n`,
  });
}

describe("the stop signal of a container", () => {
  test.each([
    [undefined, 15],
    ["SIGQUIT", 3],
    ["usr1", 10],
    ["28", 28],
    ["SIGRTMIN+3", 37],
  ])("%s is what the application gets when `unikernel run` is asked to end", expectSignal);

  test("comes where QEMU's default firmware starts the guest, too", async () => {
    machine.leaveOutQboot();

    await expectSignal("SIGINT", 2);
  });
});

test.each([1, 2])("a process in the middle of a long copy ends when it is killed, %i CPU", async (cpus) => {
  const { lines } = await runImage(machine, { source: { binary: guestProgram("copier") } }, { cpus });

  expect(lines).toEqual(["sendfile killed in time", "readv killed in time", ""]);
});

describe("the first process", () => {
  const unharmed = [
    "getpid(): 1",
    "kill(0, SIGTERM) = 0",
    "kill(0, SIGKILL) = 0",
    "raise(SIGSTOP) = 0",
    "kill(0, SIGSEGV) = 0",
    "raise(SIGTSTP) = 0",
    "SIGINT from a child: 0",
    "SIGKILL from a child: 0",
    "SIGSTOP from a child: 0",
    'write(ends[1], "x", 1) = -1 EPIPE',
    "kill(0, SIGHUP) = 0",
    "sigismember(&pending, SIGHUP) = 1",
    "usleep(1500000) = 0",
    "WTERMSIG(status) == SIGTERM: 1",
    "",
  ];

  // As Linux has it in a namespace of PIDs: `unshare -pf --mount-proc first fault` prints the same. There `abort` ends it by SIGSEGV, and its own
  // SIGTERM not at all.
  test.each([
    ["fault", 139],
    ["abort", 134],
    ["kill of itself", 143],
    ["limit", 137],
  ])("is not ended by signals from inside without a handler, but by its %s", async (end, code) => {
    const directory = path.join(machine.folder, "root");
    mkdirSync(directory);
    copyFileSync(guestProgram("first"), path.join(directory, "first"));

    expect(await runImage(machine, { source: { directory, command: ["/first", end] } })).toMatchObject({
      lines: unharmed,
      code,
    });
  });

  test("is ended by the stop signal from outside without a handler", async () => {
    const layers = [await tar([{ name: "first", content: readFileSync(guestProgram("first")), mode: 0o755 }])];
    writeLayout(path.join(machine.folder, "image"), { layers, config: { Entrypoint: ["/first", "wait"] } });
    const cli = new Cli(machine, ["run", "image", "-m", "16MiB"]);
    await expect.poll(() => cli.stdout, { timeout: 20_000 }).toMatch(/waiting\n$/);
    cli.child.kill("SIGTERM");

    expect(await cli.finished).toMatchObject({ code: 143 });
  });
});
