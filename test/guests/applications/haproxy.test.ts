import * as net from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Guest, guestProgram } from "../../support/guest.js";
import { Machine } from "../../support/machine.js";
import { PATIENCE_MS } from "../../support/limits.js";

let machine: Machine;
beforeEach(() => {
  machine = new Machine();
});
afterEach(() => machine.dispose());

/** A guest that answers with its name. */
const server = (name: string): Promise<Guest> =>
  Guest.start(machine, { source: { binary: guestProgram("c-server") } }, { name, memory: 16, env: { GREETING: name } });

/** Where other guests reach its port 8080: this computer's loopback is behind their gateway. */
const address = (guest: Guest): string => `10.0.2.2:${guest.port(8080)}`;

/** What is answered to a line, until the guest hangs up. */
function ask(guest: Guest, port: number, line: string): Promise<string> {
  const socket = net.connect(guest.port(port), "127.0.0.1");
  socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error(`Port ${port} has not answered.`)));
  socket.write(`${line}\n`);
  return text(socket);
}

describe("HAProxy's master and worker, in front of two other guests", () => {
  test("share out requests, notice servers that end and return, and are reloaded while they serve", async () => {
    const [a, b] = await Promise.all([server("a"), server("b")]);
    const env = { SERVER_A: address(a), SERVER_B: address(b) };
    const options = { name: "proxy", cpus: 2, memory: 64, ports: [8080, 9001, 9002], env };
    const proxy = await Guest.container(machine, "haproxy", options);
    const answered = async (count: number): Promise<string[]> => [...new Set(await proxy.texts("/", count))].sort();
    const worker = async (): Promise<string | null> => (await proxy.fetch("/")).headers.get("x-worker");
    const states = async (): Promise<(string | undefined)[]> => {
      const table = (await ask(proxy, 9001, "show stat")).split("\n").map((row) => row.split(","));
      const status = table[0]?.indexOf("status") ?? -1;
      return ["a", "b"].map((name) => table.find((row) => row[0] === "servers" && row[1] === name)?.[status]);
    };

    expect(await answered(20)).toEqual(["a\n", "b\n"]);
    expect(await states()).toEqual(["UP", "UP"]);

    // No request fails while one of the two is gone.
    await b.powerDown();
    await b.end();
    expect(await answered(20)).toEqual(["a\n"]);
    await expect.poll(states).toEqual(["UP", "DOWN"]);
    expect(proxy.console()).toMatch(/Server servers\/b is DOWN, reason: /);
    await server("b");
    await expect.poll(states).toEqual(["UP", "UP"]);
    expect(await answered(20)).toEqual(["a\n", "b\n"]);

    // The master executes itself anew and hands the listening sockets over to a new worker.
    const before = await worker();
    const requests = proxy.texts("/", 200);
    expect(await ask(proxy, 9002, "reload")).toBe("reloading\n");
    expect(new Set(await requests)).toEqual(new Set(["a\n", "b\n"]));
    await expect.poll(worker).not.toBe(before);
    await expect.poll(() => proxy.console()).toContain(`Former worker (${before}) exited with code 0`);

    await proxy.powerDown();
    // HAProxy tells its service manager so by this status.
    expect(await proxy.end()).toMatchObject({ exitCode: 0 });
    expect(proxy.console()).toContain('"GET / HTTP/1.1"');
    expect(proxy.console()).toContain("All workers exited. Exiting...");
    expect(proxy.console()).not.toMatch(/^unikernel: /m);
  });
});
