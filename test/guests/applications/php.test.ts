import { createHash, randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Guest } from "../../support/guest.js";
import { Machine } from "../../support/machine.js";
import { PATIENCE_MS } from "../../support/limits.js";

let machine: Machine;
beforeEach(() => {
  machine = new Machine();
});
afterEach(() => machine.dispose());

/** What each way of serving has in common. */
async function use(guest: Guest, server: string): Promise<void> {
  const machine = { php: expect.stringMatching(/^8\.2\./) as string, server, system: "Linux" };
  expect(await guest.json("/")).toMatchObject(machine);

  // Of two clients each has a session of its own, and its requests wait for each other.
  const visit = async (cookie: string): Promise<unknown> =>
    (await guest.fetch("/session", { headers: { cookie, connection: "close" } })).json();
  const [one, other] = ["PHPSESSID=0123456789abcdef0123456789", "PHPSESSID=fedcba9876543210fedcba9876"] as const;
  await visit(one);
  await guest.many(6, () => visit(other));
  expect([await visit(one), await visit(other)]).toEqual([
    { count: 2, file: true },
    { count: 7, file: true },
  ]);

  await guest.many(8, () => guest.fetch("/notes", { method: "POST", body: "a note" }));
  expect(await guest.json("/notes")).toEqual({ count: 80, sum: (80 * 81) / 2 });

  expect(await guest.json("/patterns")).toEqual({ words: 200 * 20 * 4, collected: true, jit: "1" });
  expect(await guest.json("/processes")).toEqual({
    lines: ["43"],
    status: 3,
    sorted: "a\nb\n",
    exit: 0,
    told: "over a socket",
  });

  const content = randomBytes(300_001);
  const form = new FormData();
  form.append("file", new Blob([content]), "file");
  const uploaded = await guest.fetch("/upload", { method: "POST", body: form });
  expect(await uploaded.json()).toEqual({
    size: content.length,
    hash: createHash("sha256").update(content).digest("hex"),
  });
}

describe("PHP 8.2", () => {
  test("serves by FPM behind nginx, whose processes share compiled scripts, on two CPUs", async () => {
    const guest = await Guest.container(machine, "php", { cpus: 2, memory: 128 });
    await use(guest, "fpm-fcgi");

    // Of the pool's two processes more are made when more are needed: it looks once a second.
    const processes = new Set<number>();
    await vi.waitUntil(
      async () => {
        const slow = await guest.many(8, () => guest.json<{ process: number }>("/slow"));
        slow.forEach(({ process }) => processes.add(process));
        return processes.size > 2;
      },
      { timeout: PATIENCE_MS, interval: 0 },
    );
    interface Opcache {
      enabled: boolean;
      scripts: string[];
      hits: number;
    }
    const before = await guest.json<Opcache>("/opcache");
    expect(before).toMatchObject({
      enabled: true,
      scripts: expect.arrayContaining(["answers.php", "index.php"]) as [],
    });
    await guest.texts("/", 20);
    const after = await guest.json<Opcache>("/opcache");
    expect(after.hits - before.hits).toBe(21);

    await guest.powerDown();
    expect(await guest.end()).toMatchObject({ exitCode: 0 });
    expect(guest.console()).toContain("ready to handle connections");
    expect(guest.console()).not.toMatch(/WARNING|ERROR|PHP |^unikernel: /m);
  });

  test("serves by its own server, with four processes", async () => {
    const args = ["php", "-S", "0.0.0.0:8080", "-t", "/srv/www", "/srv/www/index.php"];
    const env = { PHP_CLI_SERVER_WORKERS: "4" };
    const guest = await Guest.container(machine, "php", { memory: 128, args, env });
    await use(guest, "cli-server");

    await guest.powerDown();
    expect(await guest.end()).toMatchObject({ exitCode: 128 + 15 });
    expect(guest.console()).not.toMatch(/PHP (Warning|Fatal)|^unikernel: (?!the application was ended by SIGTERM)/m);
  });
});
