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

/** Runs the program in an image with a file of 4 MiB. */
async function watch(args: string[], cpus = 1): Promise<string[]> {
  const directory = path.join(machine.folder, "root");
  mkdirSync(directory);
  copyFileSync(guestProgram("figures"), path.join(directory, "figures"));
  writeFileSync(path.join(directory, "content"), new Uint8Array(4 << 20).fill(1));
  const spec = { source: { directory, command: ["/figures", ...args] } };
  const { lines } = await runImage(machine, spec, { memory: 256, cpus });
  return lines;
}

describe("what tells of the whole machine:", () => {
  test("the load average counts who waits for what it cannot be interrupted in", async () => {
    expect(await watch(["load"])).toEqual(["a load of one for two looks: 1", ""]);
  });

  test("a program that a CPU never leaves is no idle time", async () => {
    expect(await watch(["work"], 2)).toEqual(['named("/proc/stat", "cpu ") >= user + 40: 1', ""]);
  });

  test("memory of names that are kept for the next lookup is available", async () => {
    expect(await watch(["names"])).toEqual([
      "available >= free: 1",
      "used > 1000 && reclaimable > 1000: 1",
      "gone < used / 4: 1",
      'reclaimable == named(file, "KReclaimable:") && reclaimable + named(file, "SUnreclaim:") == slab: 1',
      "",
    ]);
  });

  test("the disk counts what is read from it", async () => {
    const lines = await watch(["disk", "vda", "/content"]);

    expect(lines).toEqual([
      "vda 254:0",
      "before.reads > 0 && after.reads > before.reads: 1",
      "after.sectors - before.sectors >= size.st_size / 512 && after.sectors - before.sectors < size.st_size / 256: 1",
      'named("/proc/vmstat", "pgpgin ") - in >= size.st_size / 1024: 1',
      "after.busy >= before.busy && after.milliseconds >= after.busy && after.all == after.milliseconds: 1",
      "after.under_way + after.merged + after.written[0] + after.written[2] + after.others[0] + after.others[4]: 0",
      'strstr(get("/proc/partitions"), expected) != NULL: 1',
      "reads == figures(disk).reads: 1",
      "dev: 254:0",
      "ro: 1",
      "removable: 0",
      "queue/logical_block_size: 512",
      "Block devices:",
      "254 virtblk",
      "",
    ]);
  });

  test("interrupts and turns of threads are counted", async () => {
    expect(await watch(["interrupts"])).toEqual([
      'named("/proc/stat", "intr ") >= before + 20: 1',
      'named("/proc/interrupts", "LOC:") >= timer + 20: 1',
      'named("/proc/stat", "ctxt ") >= switches + 20: 1',
      'row && sscanf(row, " %7[0-9]: %lld PCI-MSI %63s", label, &count, device) == 3 && count > 0: 1',
      "",
    ]);
  });
});
