import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { probeAccelerator, type AcceleratorProbe } from "../../provider/src/targets/local/accelerator.js";
import { observeInstance, startInstance } from "../../provider/src/targets/local/index.js";
import { findQemu, type Qemu } from "../../provider/src/targets/local/qemu.js";
import { scriptedGuest } from "../../provider/src/targets/local/testing/scripted-guest.js";
import { Machine } from "../support/machine.js";

let machine: Machine;
let real: Qemu;
const searchPath = process.env["PATH"];
beforeEach(async () => {
  machine = new Machine({ accelerator: false });
  real = await findQemu("x86_64");
});
afterEach(() => {
  process.env["PATH"] = searchPath;
  machine.dispose();
});

/** Puts a QEMU in front of the real one. */
function install(script: string): void {
  const folder = path.join(machine.folder, "bin");
  const file = path.join(folder, "qemu-system-x86_64");
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
  process.env["PATH"] = `${folder}:${searchPath}`;
}

describe("QEMU", () => {
  test("that is missing is told with the line that installs it", async () => {
    process.env["PATH"] = machine.folder;

    await expect(findQemu("x86_64")).rejects.toThrow(
      /^QEMU is not installed: there is no qemu-system-x86_64 in PATH\. Install it with: \S+/,
    );
  });

  test("that is too old is told with its version", async () => {
    install('echo "QEMU emulator version 4.2.1 (Debian 1:4.2-3ubuntu6.30)"');

    await expect(findQemu("x86_64")).rejects.toThrow(
      /is QEMU 4\.2\.1, which is too old: 6\.2 or newer is needed\. Install it with: /,
    );
  });

  test("that does not run is told with its own words", async () => {
    install('echo "error while loading shared libraries: libpixman-1.so.0" >&2; exit 127');

    await expect(findQemu("x86_64")).rejects.toThrow(
      /does not run \(error while loading shared libraries: libpixman-1\.so\.0\)/,
    );
  });
});

describe("the accelerator", () => {
  const calls = (): string[] => readFileSync(path.join(machine.folder, "calls"), "utf8").trim().split("\n");

  /** A QEMU that does as the real one, but for one accelerator. */
  function installWith(accelerator: string, behaviour: string): void {
    install(`echo "$@" >> ${machine.folder}/calls
case "$*" in *"-accel ${accelerator}"*) ${behaviour};; esac
exec ${real.path} "$@"`);
  }

  const answers = (): string => path.join(machine.cacheDir, "v1/accelerators");

  async function probe(): Promise<AcceleratorProbe> {
    return probeAccelerator(await findQemu("x86_64"), machine.cacheDir);
  }

  test.runIf(process.platform === "linux")("that opens and then hangs is passed over", async () => {
    installWith("kvm", "exec sleep 60");
    const { accelerator, rejected } = await probe();

    expect(accelerator).toBe("tcg");
    expect(rejected).toEqual([
      { accelerator: "kvm", reason: expect.stringMatching(/had not ended after \d/) as string },
    ]);
  });

  test.runIf(process.platform === "linux")("that works is taken before translation", async () => {
    // isa-debug-exit turns the probe's value into this status.
    installWith("kvm", "exit 85");

    expect((await probe()).accelerator).toBe("kvm");
  });

  test("is probed once, and the answer kept", async () => {
    installWith("none", "exit 1");
    const first = await probe();
    const runs = calls().filter((line) => line.includes("-accel")).length;

    expect(await probe()).toEqual(first);
    expect(calls().filter((line) => line.includes("-accel"))).toHaveLength(runs);
    expect(readdirSync(answers())).toHaveLength(1);
  });

  test("is probed again when the answer is damaged", async () => {
    const first = await probe();
    for (const name of readdirSync(answers())) writeFileSync(path.join(answers(), name), "{");

    expect(await probe()).toEqual(first);
  });

  test("does without the sandbox where QEMU was built without it", async () => {
    install(`case "$*" in *-sandbox*) echo "qemu: -sandbox support is not enabled in this QEMU binary" >&2; exit 1;; esac
exec ${real.path} "$@"`);

    expect(await probe()).toMatchObject({ accelerator: expect.any(String) as string, sandbox: false });
  });

  describe("is asked for qboot, which", () => {
    test("starts guests where QEMU comes with it", async () => {
      expect((await probe()).qboot).toBe(true);
    });

    test("is done without where QEMU comes without it", async () => {
      install(`case "$*" in *qboot.rom*) echo "qemu: could not load PC BIOS 'qboot.rom'" >&2; exit 1;; esac
exec ${real.path} "$@"`);

      expect((await probe()).qboot).toBe(false);
      const spec = machine.spec(scriptedGuest({ status: { event: "boot", version: "0.0.0" } }, "halt"));
      await startInstance(spec, machine.options());
      expect((await observeInstance("web", machine.stateDir)).state).toBe("running");
    });

    test("was not asked about by older versions", async () => {
      const first = await probe();
      for (const name of readdirSync(answers())) {
        const file = path.join(answers(), name);
        const { qboot: _, ...older } = JSON.parse(readFileSync(file, "utf8")) as AcceleratorProbe;
        writeFileSync(file, JSON.stringify(older));
      }

      expect(await probe()).toEqual(first);
    });
  });

  test("that nothing can be run under is told", async () => {
    install(`case "$*" in *--version*) exec ${real.path} "$@";; esac
echo "qemu: could not load PC BIOS" >&2; exit 1`);

    await expect(probe()).rejects.toThrow(/cannot run a guest here: qemu: could not load PC BIOS/);
  });
});
