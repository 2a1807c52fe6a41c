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

describe("PostgreSQL 15", () => {
  test("starts from a cluster that was prepared, and answers psql and pgbench from outside", async () => {
    const guest = await Guest.container(machine, "postgres", { cpus: 2, memory: 256, ports: [5432] });
    const env = {
      ...process.env,
      PGHOST: "127.0.0.1",
      PGPORT: String(guest.port(5432)),
      PGUSER: "postgres",
      PGPASSWORD: "a secret",
      PGCONNECT_TIMEOUT: "60",
    };
    const query = async (sql: string): Promise<string> => {
      const args = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--command", sql];
      return (await run("psql", args, { env, timeout: PATIENCE_MS })).stdout.trim();
    };

    // It listens before it is ready.
    await expect.poll(() => query("SELECT version()").catch(String)).toMatch(/^PostgreSQL 15\./);
    await expect(run("psql", ["--command", "SELECT 1"], { env: { ...env, PGPASSWORD: "wrong" } })).rejects.toThrow(
      "password authentication failed",
    );

    // A hash join over workers of their own, in shared memory.
    await query("CREATE TABLE numbers AS SELECT i, md5(i::text) AS hash FROM generate_series(1, 20000) AS i");
    await query("CREATE INDEX ON numbers (hash)");
    const parallel = "SET min_parallel_table_scan_size = 0; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;";
    expect(await query(`${parallel} EXPLAIN SELECT count(*) FROM numbers`)).toContain("Workers Planned");
    expect(await query(`${parallel} SELECT count(*), sum(i) FROM numbers`)).toBe("20000|200010000");
    expect(await query("SELECT i FROM numbers WHERE hash = md5('4711')")).toBe("4711");

    // Each client is a process in the guest.
    await run("pgbench", ["--initialize", "--quiet", "--scale=1", "postgres"], { env, timeout: 120_000 });
    const load = ["--client=4", "--transactions=25", "--no-vacuum", "postgres"];
    const { stdout } = await run("pgbench", load, { env, timeout: 120_000 });
    expect(stdout).toContain("number of transactions actually processed: 100/100");
    expect(
      await query("SELECT count(*), sum(delta) = (SELECT sum(bbalance) FROM pgbench_branches) FROM pgbench_history"),
    ).toBe("100|t");
    await query("CHECKPOINT");

    await guest.powerDown();
    expect(await guest.end()).toMatchObject({ exitCode: 0 });
    expect(guest.console()).toContain("database system is shut down");
    expect(guest.console()).not.toMatch(/PANIC|^unikernel: /m);
  });
});
