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

describe("a guest whose memory is used up", () => {
  test.each([
    ["by one process", "memory", 1],
    ["by one process on two CPUs", "memory", 2],
    ["by processes that write to what they had in common", "copies", 1],
    ["by the same on two CPUs", "copies", 2],
  ])("%s ends and says what it is used for", async (_, what, cpus) => {
    const { kernel, code, reason } = await exhaust(what, cpus);

    const figures =
      /^there is none for a page of the application; of 1\d\.\d MiB, the application uses 1\d\.\d MiB, files that it wrote \d+ KiB, files of the image \d+ KiB, page tables \d+ KiB, the kernel \d+ KiB, devices \d+ KiB, and \d+ KiB are free\. Give the instance more/;
    expect(kernel).toEqual([expect.stringMatching(/^out of memory: there is none for a page of the application; /)]);
    expect(kernel[0]?.replace("out of memory: ", "")).toMatch(figures);
    expect(reason).toBe(`the guest ran out of memory: ${kernel[0]?.replace("out of memory: ", "")}`);
    expect(code).toBe(137);
  });
});
