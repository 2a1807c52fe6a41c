import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Guest } from "../../support/guest.js";
import { Machine } from "../../support/machine.js";

let machine: Machine;
beforeEach(() => {
  machine = new Machine();
});
afterEach(() => machine.dispose());

type Process = { process: number; parent: number; loaded_by: number };

describe("Puma in cluster mode, with the application loaded before its workers are forked", () => {
  test.each([1, 2])("serves, runs subprocesses, forks and replaces a worker on %i CPUs", async (cpus) => {
    const guest = await Guest.container(machine, "puma", { cpus, memory: 160 });

    const { process, parent, loaded_by } = await guest.json<Process>("/");
    expect(process).toBeGreaterThan(1);
    expect({ parent, loaded_by }).toEqual({ parent: 1, loaded_by: 1 });

    expect(await guest.json("/subprocesses")).toEqual({
      kernel: "Linux",
      succeeded: true,
      failed: false,
      lines: ["a", "b"],
      errors: "cat: /nowhere: No such file or directory\n",
      exit: 3,
      shell: "43",
    });
    expect(await guest.json("/fork")).toEqual({ told: 42, kept: 1, exit: 5 });

    const posts = await guest.many(30, () => guest.fetch("/notes", { method: "POST", body: "a note" }));
    expect(new Set(posts.map(({ status }) => status))).toEqual(new Set([201]));
    const notes = await guest.json<{ count: number; processes: number[] }>("/notes");
    expect(notes.count).toBe(30);

    await guest.fetch("/end", { method: "POST" }).catch(() => undefined);
    await expect.poll(() => guest.console().match(/ booted in /g)?.length).toBe(3);
    expect(await guest.json("/notes")).toMatchObject({ count: 30 });

    await guest.powerDown();
    // Puma ends itself by the signal that it was sent.
    expect(await guest.end()).toMatchObject({ exitCode: 128 + 15 });
    expect(guest.console()).toContain("Gracefully shutting down workers...");
    expect(guest.console()).not.toMatch(/^unikernel: (?!the application was ended by SIGTERM)/m);
  });
});
