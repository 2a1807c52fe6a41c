import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Guest } from "../../support/guest.js";
import { Machine } from "../../support/machine.js";

let machine: Machine;
beforeEach(() => {
  machine = new Machine();
});
afterEach(() => machine.dispose());

const MIB = 1 << 20;
/** How a JVM ends after its shutdown hooks. */
const BY_SIGTERM = 128 + 15;

/** Starts it, and compares what the JVM has found out about the machine with what the machine has. */
async function start(cpus: number, options?: string): Promise<{ guest: Guest; collectors: string[] }> {
  const memory = 256;
  const env = { ...(options !== undefined && { JAVA_TOOL_OPTIONS: options }) };
  const guest = await Guest.container(machine, "java", { cpus, memory, env });

  type Figures = Record<"memory" | "free" | "heap", number> & { collectors: string[] };
  const { collectors, ...figures } = await guest.json<Figures>("/");
  expect(figures).toMatchObject({ java: 17, process: 1, system: "Linux amd64", user: "www-data" });
  expect(figures).toMatchObject({ processors: cpus, swap: 0 });
  expect(figures.memory).toBeGreaterThan(0.95 * memory * MIB);
  expect(figures.memory).toBeLessThanOrEqual(memory * MIB);
  expect(figures.free).toBeLessThan(figures.memory);
  // Half of a small machine's memory is the JVM's own choice.
  expect(figures.heap / figures.memory).toBeCloseTo(0.5, 1);
  return { guest, collectors };
}

async function stop(guest: Guest): Promise<void> {
  await guest.powerDown();
  expect(await guest.end()).toMatchObject({ exitCode: BY_SIGTERM });
  expect(guest.console()).toContain("asked to end");
  expect(guest.console()).not.toMatch(/Exception|warning|^unikernel: /im);
}

/** Allocated by four threads, and verified. */
const collected = { blocks: 4 * (8000 - 200), collected: true };

describe("OpenJDK 17, with the JDK's HTTP server and a thread pool", () => {
  test("collects garbage, takes its traps and uses channels on one CPU", async () => {
    const { guest, collectors } = await start(1);
    expect(collectors).toEqual(["Copy", "MarkSweepCompact"]);

    expect(await guest.json("/collect")).toEqual(collected);
    // As any JVM computes it.
    expect(await guest.json("/traps")).toEqual({ nulls: 79_000, divisions: 96_000, overflows: 3 });
    expect(await guest.json("/files")).toEqual({
      locked: true,
      same: true,
      names: ["first", "fourth", "link", "second"],
      link: true,
      permissions: "rw-r-----",
      space: true,
      type: "overlay",
      seen: "first",
    });
    expect(await guest.json("/sockets")).toEqual({
      answers: Array.from({ length: 10 }, (_, i) => `CLIENT ${i}`),
      others: ["datagram", "pipe"],
      unix: "over a path",
      interfaces: ["eth0", "lo"],
    });
    expect(await guest.text("/fetch")).toBe("a question");
    await stop(guest);
  });

  test("keeps hundreds of threads and other processes, and collects in parallel on two CPUs", async () => {
    const { guest, collectors } = await start(2, "-XX:+UseG1GC");
    expect(collectors).toEqual(["G1 Young Generation", "G1 Old Generation"]);

    expect(await guest.json("/collect")).toEqual(collected);
    const entries = 200 * 20;
    expect(await guest.json("/threads")).toEqual({
      entered: entries,
      total: entries,
      interrupted: true,
      peak: true,
      time: true,
    });
    expect(await guest.json("/processes")).toEqual({
      sorted: "a\nb\n",
      said: "good day from /tmp\n",
      complained: "trouble\n",
      exit: 3,
      piped: "ONE TWO\n",
      child: true,
      command: "/bin/sleep",
      started: true,
      destroyed: BY_SIGTERM,
    });
    const echo = async (body: string): Promise<string> => (await guest.fetch("/echo", { method: "POST", body })).text();
    expect(await echo("x".repeat(300_000))).toBe("x".repeat(300_000));
    expect(new Set(await guest.many(40, () => echo("again")))).toEqual(new Set(["again"]));
    await stop(guest);
  });
});
