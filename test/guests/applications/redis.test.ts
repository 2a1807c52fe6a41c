import { execFile } from "node:child_process";
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

describe("redis 7, with its data kept by an append-only file and by snapshots", () => {
  test.each([1, 2])("saves while it is written to, and finds everything again, on %i CPUs", async (cpus) => {
    const guest = await Guest.container(machine, "redis", { cpus, memory: 96, ports: [6379] });
    const address = ["-h", "127.0.0.1", "-p", String(guest.port(6379))];
    const cli = async (...command: string[]): Promise<string> =>
      (await run("redis-cli", [...address, ...command], { timeout: PATIENCE_MS })).stdout.trim();
    const persistence = async (): Promise<Record<string, string>> => {
      const lines = (await cli("INFO", "persistence")).split("\r\n");
      return Object.fromEntries<string>(
        lines.filter((line) => line.includes(":")).map((line) => line.split(":") as [string, string]),
      );
    };

    // A bash script gave the data folder away and became the server, as another user.
    expect(guest.console()).toContain("starting redis as redis");
    expect(await cli("PING")).toBe("PONG");
    expect(await cli("DEBUG", "POPULATE", "20000", "key", "100")).toBe("OK");
    const digest = await cli("DEBUG", "DIGEST");

    // The child saves the memory as it was when it was forked, while others write.
    expect(await cli("BGSAVE")).toBe("Background saving started");
    const load = ["-n", "500", "-c", "8", "-r", "1000", "-q", "--csv", "-t", "set,get,incr,lpush"];
    const { stdout } = await run("redis-benchmark", [...address, ...load], { timeout: 120_000 });
    expect(stdout.match(/^"(SET|GET|INCR|LPUSH)"/gm)).toHaveLength(4);
    await expect
      .poll(persistence)
      .toMatchObject({ rdb_bgsave_in_progress: "0", rdb_last_bgsave_status: "ok", rdb_saves: "1" });

    // The same again after a rewrite of the append-only file by a child, read back from it.
    expect(await cli("DEBUG", "DIGEST")).not.toBe(digest);
    expect(await cli("BGREWRITEAOF")).toMatch(/started|scheduled/);
    await expect.poll(persistence).toMatchObject({ aof_rewrite_in_progress: "0", aof_last_bgrewrite_status: "ok" });
    expect(await cli("SET", "after", "the rewrite")).toBe("OK");
    const written = await cli("DEBUG", "DIGEST");
    expect(await cli("DEBUG", "LOADAOF")).toBe("OK");
    expect(await cli("DEBUG", "DIGEST")).toBe(written);
    expect(await cli("GET", "after")).toBe("the rewrite");

    await guest.powerDown();
    expect(await guest.end()).toMatchObject({ exitCode: 0 });
    expect(guest.console()).toContain("Redis is now ready to exit, bye bye...");
    expect(guest.console()).not.toMatch(/^unikernel: /m);
  });
});
