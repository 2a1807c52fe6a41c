import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Guest } from "../../support/guest.js";
import { Machine } from "../../support/machine.js";

let machine: Machine;
beforeEach(() => {
  machine = new Machine();
});
afterEach(() => machine.dispose());

describe("Node.js 18", () => {
  test("serves, computes, and has workers, children and files", async () => {
    const guest = await Guest.container(machine, "node", { cpus: 2, memory: 192, env: { GREETING: "good day" } });

    expect(await guest.json("/")).toEqual({
      node: expect.stringMatching(/^v18\./) as string,
      process: 1,
      greeting: "good day",
    });
    expect(await guest.json("/cpus")).toEqual({ cpus: 2 });
    // As any V8 computes it.
    expect(await guest.json("/compute")).toEqual({ hash: -2072239280 });
    expect(await guest.json("/worker")).toEqual({ primes: [2262, 2262], total: 2 * 2262 });
    expect(await guest.json("/fork")).toEqual({ answer: { answer: 42, args: ["argument"], parent: 1 }, code: 7 });
    expect(await guest.json("/subprocess")).toEqual({ shell: "43", sorted: "a\nb\n" });
    expect(await guest.json("/files")).toEqual({
      names: ["0", "1", "2", "3", "4", "5", "6", "7"],
      same: true,
      zipped: true,
    });
    expect(await guest.json("/fetch")).toEqual({ status: 200, own: true });
    expect(new Set(await guest.texts("/cpus", 50)).size).toBe(1);

    await guest.powerDown();
    expect(await guest.end()).toMatchObject({ exitCode: 0 });
    expect(guest.console()).toContain("asked to end");
    expect(guest.console()).not.toMatch(/^unikernel: /m);
  });
});
