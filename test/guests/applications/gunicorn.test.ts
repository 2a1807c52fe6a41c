import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Guest } from "../../support/guest.js";
import { Machine } from "../../support/machine.js";

let machine: Machine;
beforeEach(() => {
  machine = new Machine();
});
afterEach(() => machine.dispose());

const squares = (count: number): number[] => Array.from({ length: count }, (_, i) => i * i);

const workersBooted = (guest: Guest): number => guest.console().match(/Booting worker/g)?.length ?? 0;

describe("gunicorn with four workers, and Flask", () => {
  test("serves, uses multiprocessing and asyncio, and takes signals", async () => {
    const guest = await Guest.container(machine, "gunicorn", { cpus: 2, memory: 160 });
    const process = async (): Promise<number> => (await guest.json<{ process: number }>("/")).process;

    expect(await guest.json("/")).toMatchObject({ parent: 1, python: expect.stringMatching(/^3\.11\./) as string });
    expect(await guest.json("/multiprocessing")).toEqual({
      counter: 1000,
      squares: squares(20),
      message: { from: "child" },
      exits: [0, 0, 0, 0],
    });
    expect(await guest.json("/executors")).toEqual({ threads: true, squares: squares(10) });
    expect(await guest.json("/asyncio")).toEqual([
      "FROM A SUBPROCESS",
      144,
      ...[0, 1, 2, 3, 4].map((number) => `QUESTION ${number}`),
    ]);
    const body = "x".repeat(300_000);
    expect(await (await guest.fetch("/echo", { method: "POST", body })).text()).toBe(body);

    // A fifth worker; then new ones in place of all.
    const booted = (): number => workersBooted(guest);
    expect(booted()).toBe(4);
    await guest.fetch("/signal/TTIN", { method: "POST" });
    await expect.poll(booted).toBe(5);
    const before = await process();
    await guest.fetch("/signal/HUP", { method: "POST" });
    await expect.poll(booted).toBe(9);
    await expect.poll(process).toBeGreaterThan(before);
    expect(await process()).toBeGreaterThan(before);

    await guest.powerDown();
    expect(await guest.end()).toMatchObject({ exitCode: 0 });
    expect(guest.console()).toContain("Shutting down: Master");
    expect(guest.console()).not.toMatch(/TIMEOUT|^unikernel: /m);
  });

  test("goes on without a worker that takes all memory, and starts another", async () => {
    const guest = await Guest.container(machine, "gunicorn", { memory: 160 });
    const booted = (): number => workersBooted(guest);
    await expect.poll(booted).toBe(4);

    await expect(guest.fetch("/grow")).rejects.toThrow();

    await expect.poll(booted).toBe(5);
    expect(await guest.json("/")).toMatchObject({ parent: 1 });
    const [, pid] = /^unikernel: out of memory: .* process (\d+) \(\S+\), which has \S+ MiB of its own, is ended/m.exec(
      guest.console(),
    ) ?? [""];
    expect(guest.console()).toContain(`Worker with pid ${pid} was terminated due to signal 9`);
    expect(guest.console().match(/^unikernel: /gm)).toHaveLength(1);
    await guest.powerDown();
    expect(await guest.end()).toMatchObject({ exitCode: 0 });
  });
});
