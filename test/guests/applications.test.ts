import { createHash, randomBytes } from "node:crypto";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Guest, guestProgram, rubyContainer, type GuestOptions } from "../support/guest.js";
import { Machine } from "../support/machine.js";

let machine: Machine;
beforeEach(() => {
  machine = new Machine();
});
afterEach(() => machine.dispose());

const start = (program: string, options?: GuestOptions): Promise<Guest> =>
  Guest.start(machine, { source: { binary: guestProgram(program) } }, options);

describe("a static C server", () => {
  test.each(["q35", "pc", "microvm"] as const)("answers on the machine %s", async (kind) => {
    const guest = await start("c-server", { machine: kind });

    expect(await guest.text("/")).toBe("Hello from C\n");
  });

  test("gets the instance's environment", async () => {
    const guest = await start("c-server", { env: { GREETING: "good day", EMPTY: "" } });

    expect(await guest.text("/")).toBe("good day\n");
    expect((await guest.text("/env")).split("\n")).toEqual(expect.arrayContaining(["GREETING=good day", "EMPTY="]));
  });

  test("answers a thousand requests in 6 MiB", async () => {
    const guest = await start("c-server", { memory: 6 });

    expect(new Set(await guest.texts("/", 1000))).toEqual(new Set(["Hello from C\n"]));
  });

  test("ends the guest with its own exit status", async () => {
    const guest = await start("c-server");
    expect(await guest.text("/exit/7")).toBe("bye\n");
    expect(await guest.end()).toMatchObject({ exitCode: 7 });
  });

  test("ends the guest when a signal kills it, and the console says where", async () => {
    const guest = await start("c-server");
    await guest.fetch("/crash").catch(() => undefined);

    expect(await guest.end()).toMatchObject({ exitCode: 139 });
    expect(guest.console()).toMatch(/SIGSEGV/);
  });

  test("gives memory back, and ends the guest when there is none left", async () => {
    const guest = await start("c-server", { memory: 64 });
    for (let i = 0; i < 4; i++) expect(await guest.text("/fill/32")).toBe("filled\n");
    await guest.fetch("/fill/512").catch(() => undefined);

    expect(await guest.end()).toMatchObject({ exitCode: 137 });
    expect(guest.console()).toMatch(/memory/);
  });
});

describe("a dynamic C program with threads", () => {
  test.each([1, 2, 4])("counts primes and answers many at once on %i CPUs", async (cpus) => {
    const guest = await start("c-threads", { cpus });

    expect(await guest.text("/primes/100000")).toBe("9592\n");
    const answers = await guest.texts("/", 40);
    expect(new Set(answers.map((answer) => /^worker (\d+) of 8/.exec(answer)?.[1])).size).toBeGreaterThan(1);
    expect(await guest.text("/total")).toBe("42\n");
  });
});

describe("a musl program", () => {
  test.each(["musl-server", "musl-server-static"])("%s serves files whole", async (program) => {
    const folder = path.join(machine.folder, "root");
    mkdirSync(path.join(folder, "files"), { recursive: true });
    copyFileSync(guestProgram(program), path.join(folder, "server"));
    if (program === "musl-server") {
      mkdirSync(path.join(folder, "lib"));
      copyFileSync("/lib/x86_64-linux-musl/libc.so", path.join(folder, "lib/ld-musl-x86_64.so.1"));
    }
    const data = randomBytes(3_000_001);
    writeFileSync(path.join(folder, "files/random"), data);
    const guest = await Guest.start(machine, { source: { directory: folder, command: ["/server"] } });

    expect(await guest.text("/")).toBe("Hello from musl\n");
    const received = Buffer.from(await (await guest.fetch("/files/random")).arrayBuffer());
    const digest = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
    expect(digest(received)).toBe(digest(data));
  });

  test("is found with its loader when it comes as a binary", async () => {
    const guest = await start("musl-server");

    expect(await guest.text("/proc/self/status")).toMatch(/^Name:\s+musl-server$/m);
  });
});

describe("a static Go server", () => {
  test.each([1, 2, 4])("sees %i CPUs", async (cpus) => {
    const guest = await start("go-server", { cpus });

    expect(JSON.parse(await guest.text("/runtime"))).toMatchObject({ maxprocs: cpus });
  });

  test("collects garbage in 12 MiB", async () => {
    const guest = await start("go-server", { memory: 12 });

    expect(Number(await guest.text("/allocate/200"))).toBeGreaterThan(1);
    expect(await guest.text("/")).toBe("Hello from Go\n");
  });
});

describe("the Ruby container", () => {
  test("answers, keeps files and serves many at once in 48 MiB", async () => {
    const image = { source: { container: rubyContainer }, env: { RACK_ENV: "production" } };
    const guest = await Guest.start(machine, image, { memory: 48, env: { GREETING: "hello" } });

    expect(await guest.text("/")).toMatch(
      /^hello\n\nRuby 3\.1\.\d+, Puma [\d.]+, Sinatra [\d.]+\nprocess 1, user 1000, /,
    );
    expect((await guest.fetch("/notes", { method: "POST", body: "first" })).status).toBe(201);
    expect((await guest.fetch("/notes", { method: "POST", body: "second" })).status).toBe(201);
    expect(await guest.text("/notes")).toBe("first\nsecond\n");
    expect(new Set(await guest.texts("/health", 50))).toEqual(new Set(["ok\n"]));
    expect(guest.console()).toContain("Listening on http://0.0.0.0:8080");
  });
});
