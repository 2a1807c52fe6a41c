import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { Guest, guestContainer } from "../../support/guest.js";
import { Machine } from "../../support/machine.js";

let machine: Machine;
beforeEach(() => {
  machine = new Machine();
});
afterEach(() => machine.dispose());

describe("Node.js", () => {
  test.each([
    ["glibc", "node", /^v18\./],
    ["musl", "node-musl", /^v24\./],
  ])("serves, computes, and has workers, children and files, on %s", async (_, container, version) => {
    const other = createServer((request, response) => {
      void text(request).then((body) => response.end(`${request.method} of ${body.length}`));
    });
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void other.close());
    // The address that QEMU's user network has for this computer.
    const OTHER = `http://10.0.2.2:${(other.address() as AddressInfo).port}/`;
    const env = { GREETING: "good day", OTHER };
    const guest = await Guest.container(machine, container, { cpus: 2, memory: 192, env });

    expect(await guest.json("/")).toEqual({
      node: expect.stringMatching(version) as string,
      process: 1,
      greeting: "good day",
    });
    expect(await guest.json("/cpus")).toEqual({ cpus: 2 });
    // As any V8 computes it.
    expect(await guest.json("/compute")).toEqual({ hash: -2072239280 });
    expect(await guest.json("/worker")).toEqual({ primes: [2262, 2262], total: 2 * 2262 });
    expect(await guest.json("/fork")).toEqual({ answer: { answer: 42, args: ["argument"], parent: 1 }, code: 7 });
    expect(await guest.json("/subprocess")).toEqual({ shell: "43", sorted: "a\nb\n" });
    expect(await guest.json("/files")).toEqual({
      names: ["0", "1", "2", "3", "4", "5", "6", "7"],
      same: true,
      zipped: true,
    });
    expect(await guest.json("/fetch")).toEqual({ own: true, status: 200, other: `POST of ${1 << 20}` });
    expect(new Set(await guest.texts("/cpus", 50)).size).toBe(1);

    await guest.powerDown();
    expect(await guest.end()).toMatchObject({ exitCode: 0 });
    expect(guest.console()).toContain("asked to end");
    expect(guest.console()).not.toMatch(/^unikernel: /m);
  });

  test("runs a program in TypeScript with a framework of npm's, bundled onto it", async () => {
    const source = { bundle: "test/guests/bundle/server.ts", runtime: guestContainer("node") };
    const guest = await Guest.start(machine, { source }, { memory: 128 });

    expect(await guest.json("/")).toEqual({
      node: expect.stringMatching(/^v18\./) as string,
      process: 1,
      args: ["/app/index.mjs"],
    });
    const request = { method: "POST", headers: { "content-type": "application/json" }, body: '{"text":"abc"}' };
    const note = await guest.fetch("/notes/first%20one", request);
    expect(note.status).toBe(201);
    expect(note.headers.get("location")).toBe("/notes/first%20one");
    // FIPS 180-4's example.
    const hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    expect(await note.json()).toEqual({ name: "first one", hash });
    expect((await guest.fetch("/notes/other", { ...request, body: "{" })).status).toBe(400);

    await guest.powerDown();
    expect(await guest.end()).toMatchObject({ exitCode: 0 });
  });
});
