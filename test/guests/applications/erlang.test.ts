import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Guest } from "../../support/guest.js";
import { Machine } from "../../support/machine.js";

let machine: Machine;
beforeEach(() => {
  machine = new Machine();
});
afterEach(() => machine.dispose());

describe("Erlang/OTP 25", () => {
  test.each([1, 2])("runs thousands of processes, timers and ports on %i CPUs", async (cpus) => {
    const guest = await Guest.container(machine, "erlang", { cpus, memory: 128 });

    expect(await guest.json("/")).toEqual({
      release: "25",
      schedulers: cpus,
      processors: cpus,
      jit: true,
      distributed: false,
      process: 1,
    });
    expect(await guest.json("/ring")).toEqual({ hops: 5 * 5000 });
    expect(await guest.json("/table")).toEqual({ count: 200 * 100, rows: 1 + 200 });
    expect(await guest.json("/timers")).toEqual({ ordered: true, cancelled: true, waited: true });
    expect(await guest.json("/ports")).toEqual({ shell: "43", sorted: "a\nb\n", status: 7 });
    expect(await guest.json("/files")).toEqual({ same: true, piece: true });
    // There are 669 primes below 5000.
    expect(await guest.json("/compute")).toEqual({ primes: 8 * 669 });
    expect(new Set(await guest.texts("/", 24)).size).toBe(1);

    await guest.powerDown();
    expect(await guest.end()).toMatchObject({ exitCode: 0 });
    expect(guest.console()).toContain("SIGTERM received - shutting down");
    expect(guest.console()).not.toMatch(/ERROR REPORT|^unikernel: /m);
  });
});
