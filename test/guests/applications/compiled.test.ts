import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Guest, guestProgram, type GuestOptions } from "../../support/guest.js";
import { Machine } from "../../support/machine.js";

let machine: Machine;
beforeEach(() => {
  machine = new Machine();
});
afterEach(() => machine.dispose());

const start = (program: string, options?: GuestOptions): Promise<Guest> =>
  Guest.start(machine, { source: { binary: guestProgram(program) } }, options);

describe("Rust with tokio and hyper", () => {
  test.each([1, 4])("runs tasks, connections, files, children and panics on %i CPUs", async (cpus) => {
    const guest = await start("rust-server", { cpus, memory: 32, env: { GREETING: "good day" } });

    expect(await guest.text("/runtime")).toBe(`${cpus} workers, ${cpus} CPUs\n`);
    expect(await guest.text("/tasks/300")).toBe(`${(299 * 300 * 599) / 6}\n`);
    expect(await guest.text("/blocking")).toBe("17984\n");
    expect(await guest.text("/connections")).toBe("50 of 50 right\n");
    expect(await guest.text("/files")).toBe("800000 bytes, same: true, then Err(NotFound)\n");
    expect(await guest.text("/process")).toBe("23 characters, ended early: false, then Some(9); killed by Some(9)\n");
    expect(await guest.text("/time")).toBe("timed out: true, not too early: true\n");
    expect(await guest.text("/panic")).toBe("caught: on purpose\n");
    const body = "x".repeat(300_000);
    expect(await (await guest.fetch("/echo", { method: "POST", body })).text()).toBe(`${body}\n`);
    expect(new Set(await guest.texts("/", 50))).toEqual(new Set(["good day\n"]));

    await guest.powerDown();
    expect(await guest.end()).toMatchObject({ exitCode: 0 });
    expect(guest.console()).toContain("rust-server: answered 59 requests");
    // Without descriptors of processes, tokio waits for SIGCHLD.
    expect(guest.console()).not.toMatch(/^unikernel: (?!the application uses the system call pidfd_open)/m);
  });
});

describe("C++ with threads and exceptions", () => {
  test.each([1, 4])("joins, throws across threads, unwinds and finds files on %i CPUs", async (cpus) => {
    const guest = await start("cpp-server", { cpus, memory: 32 });

    expect(await guest.text("/threads")).toBe(
      "thread-local 80000, atomic 80000, locked 8000, initialised 1, rounds 2, taken 500500, turns 200\n",
    );
    expect((await guest.text("/exceptions")).split("\n")).toEqual([
      "promise: the bottom, alive 0",
      "async: nested",
      "caught 800, alive 0",
      "future: Broken promise",
      "bad_alloc",
      "",
    ]);
    expect((await guest.text("/filesystem")).split("\n")).toEqual([
      ...["a", "a/b", "a/b/link -> text", "a/b/text 100000 2", "a/hard 100000 2"],
      ...["copy", "copy/b", "copy/b/c", "copy/b/link -> text", "copy/b/text 50000 1", "copy/hard 100000 1", "moved"],
      "a/b/text, the same, a day old",
      "No such file or directory: nowhere",
      "space, 13 removed",
      "",
    ]);
    expect(await guest.text("/chrono")).toBe("not locked, late, not too early, a date of today\n");
    expect(new Set(await guest.texts("/", 40))).toEqual(new Set(["Hello from C++\n"]));

    await guest.fetch("/terminate").catch(() => undefined);
    expect(await guest.end()).toMatchObject({ exitCode: 128 + 6 });
    expect(guest.console()).toContain("terminate called after throwing an instance of 'std::runtime_error'");
  });
});

describe("Go's net/http over 8 CPUs", () => {
  test("answers right while goroutines, timers and the collector use all of them", async () => {
    const guest = await start("go-server", { cpus: 8, memory: 64 });

    expect(await guest.json("/runtime")).toMatchObject({ maxprocs: 8 });
    const locations = ["/", "/goroutines/150", "/goroutines/60", "/allocate/8"];
    let next = 0;
    const answers = await guest.many(48, async () => {
      const location = locations[next++ % locations.length] ?? "/";
      return { location, text: await guest.text(location) };
    });
    const of = (location: string): unknown[] => [
      ...new Set(answers.filter((answer) => answer.location === location).map(({ text }) => text)),
    ];
    expect(of("/")).toEqual(["Hello from Go\n"]);
    for (const count of [60, 150]) {
      const [answer, ...others] = of(`/goroutines/${count}`);
      expect(others).toEqual([]);
      expect(JSON.parse(answer as string)).toMatchObject({
        counted: 100 * count,
        locked: count,
        kept: true,
        timedOut: count,
      });
    }
    // None is left behind.
    await expect.poll(async () => (await guest.json<{ goroutines: number }>("/runtime")).goroutines).toBeLessThan(20);
    expect(guest.console()).not.toMatch(/panic|fatal|^unikernel: /m);
  });
});
