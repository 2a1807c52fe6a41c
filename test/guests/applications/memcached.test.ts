import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import * as net from "node:net";
import { buffer } from "node:stream/consumers";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Guest } from "../../support/guest.js";
import { Machine } from "../../support/machine.js";
import { PATIENCE_MS } from "../../support/limits.js";

let machine: Machine;
beforeEach(() => {
  machine = new Machine();
});
afterEach(() => machine.dispose());

const run = promisify(execFile);
/** Of an item in the test of the memory limit. */
const VALUE_BYTES = 100_000;

/** A value that can be told from any other item's. */
function value(item: number): string {
  const seed = createHash("sha256").update(String(item)).digest("hex");
  return seed.repeat(Math.ceil(VALUE_BYTES / seed.length)).slice(0, VALUE_BYTES);
}

describe("memcached with four threads", () => {
  test("speaks both protocols, serves many at once, and drops what was not used when its memory is full", async () => {
    const guest = await Guest.container(machine, "memcached", { cpus: 2, memory: 32, ports: [11211] });
    const host = ["-h", "127.0.0.1", "-p", String(guest.port(11211))];
    const server = `--servers=127.0.0.1:${guest.port(11211)}`;
    /** What is answered to these commands, sent at once. */
    const tell = async (...commands: string[]): Promise<string> => {
      const socket = net.connect(guest.port(11211), "127.0.0.1");
      socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error("memcached has not answered.")));
      socket.write([...commands, "quit", ""].join("\r\n"));
      return (await buffer(socket)).toString();
    };
    const statistics = async (): Promise<Record<string, string>> => {
      const lines = (await tell("stats")).matchAll(/^STAT (\S+) (\S+)\r$/gm);
      return Object.fromEntries<string>([...lines].map(([, name = "", of = ""]) => [name, of]));
    };

    const { stdout } = await run("memccapable", host, { timeout: PATIENCE_MS });
    expect(stdout).toContain("All tests passed");
    expect(stdout.match(/\[pass\]/g)).toHaveLength(54);

    // 32 connections, over which each value that is read is checked.
    const load = ["--threads=2", "--concurrency=32", "--execute_number=4000", "--verify=1", "--fixed_size=2048"];
    const slap = await run("memcaslap", [server, ...load], { timeout: PATIENCE_MS });
    expect(slap.stdout).toMatch(/cmd_get: 3\d{3}\n/);
    expect(slap.stdout).toMatch(/get_misses: 0\nverify_misses: 0\nverify_failed: 0\n/);

    // Three times what fits, while one item is asked for again and again.
    await tell("flush_all");
    const count = Math.ceil((3 * 8 * 2 ** 20) / VALUE_BYTES);
    for (let item = 0; item < count; item++)
      await tell(`set item-${item} 0 0 ${VALUE_BYTES} noreply`, value(item), "get item-0");
    const { threads, evictions, curr_items, bytes, limit_maxbytes } = await statistics();
    expect(threads).toBe("4");
    expect(limit_maxbytes).toBe(String(8 * 2 ** 20));
    expect(Number(evictions)).toBe(count - Number(curr_items));
    expect(Number(bytes)).toBeGreaterThan(4 * 2 ** 20);
    expect(Number(bytes)).toBeLessThan(8 * 2 ** 20);
    for (const item of [0, count - 1])
      expect(await tell(`get item-${item}`)).toBe(`VALUE item-${item} 0 ${VALUE_BYTES}\r\n${value(item)}\r\nEND\r\n`);
    expect(await tell("get item-1")).toBe("END\r\n");

    await guest.powerDown();
    expect(await guest.end()).toMatchObject({ exitCode: 0 });
    expect(guest.console()).not.toMatch(/^unikernel: /m);
  });
});
