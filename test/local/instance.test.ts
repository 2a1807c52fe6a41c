import { existsSync, readdirSync, readFileSync, statSync, truncateSync } from "node:fs";
import * as net from "node:net";
import * as path from "node:path";
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, test } from "vitest";
import {
  NotReadyError,
  observeInstance,
  removeInstance,
  startInstance,
  type PortMapping,
  type StartedInstance,
  type StartOptions,
} from "../../provider/src/targets/local/index.js";
import { scriptedGuest } from "../../provider/src/targets/local/testing/scripted-guest.js";
import { Machine } from "../support/machine.js";

const BOOT = { status: { event: "boot", version: "0.0.0" } };
const LISTENING = { status: { event: "listening", protocol: "tcp", address: "0.0.0.0", port: 8080 } };
const WEB: PortMapping = { guest: 8080, host: 0, protocol: "tcp", hostAddress: "127.0.0.1" };
const SERVER = scriptedGuest({ console: "hello from the guest\n" }, BOOT, LISTENING, "halt");

let machine: Machine;
beforeEach(() => {
  machine = new Machine();
});
afterEach(() => machine.dispose());

function files(): string[] {
  return readdirSync(machine.stateDir, { recursive: true, encoding: "utf8" }).filter(
    (name) => !["instances", "locks"].includes(name),
  );
}

describe("starting", () => {
  test("is done when every mapped port listens, and the guest lives on", async () => {
    const started = await startInstance(machine.spec(SERVER, { ports: [WEB] }), machine.options());

    expect(started.ports[0]?.host).toBeGreaterThan(0);
    expect(machine.guests()).toHaveLength(1);
    expect(readFileSync(path.join(machine.stateDir, "instances/web/console.log"), "utf8")).toContain(
      "hello from the guest",
    );
    expect(await observeInstance("web", machine.stateDir)).toMatchObject({
      state: "running",
      record: { ports: started.ports },
    });
  });

  test.each(["q35", "pc", "microvm"] as const)("works on the machine %s", async (kind) => {
    await startInstance(machine.spec(SERVER, { ports: [WEB], machine: kind }), machine.options());

    expect((await observeInstance("web", machine.stateDir)).state).toBe("running");
  });

  test("needs no port: a guest that runs is enough", async () => {
    await startInstance(machine.spec(scriptedGuest(BOOT, "halt")), machine.options());

    expect(machine.guests()).toHaveLength(1);
  });

  test("accepts a guest without ports that has done its work already", async () => {
    const job = scriptedGuest(BOOT, { status: { event: "exit", code: 0 } }, { exit: 0 });

    const started = await startInstance(machine.spec(job), machine.options());

    expect(started.ending).toEqual({ code: 0, reason: "the application ended with status 0" });
    expect(await observeInstance("web", machine.stateDir)).toMatchObject({ state: "exited", exitCode: 0 });
  });

  test("leaves no guest when nobody waits for it any more, though it has come up", async () => {
    const guest = machine.spec(scriptedGuest(BOOT, LISTENING, "halt"), { ports: [WEB] });
    const confirm = (): Promise<void> => Promise.reject(new Error("Pulumi ended"));

    await expect(startInstance(guest, machine.options({ confirm }))).rejects.toThrow("Pulumi ended");

    expect(machine.guests()).toEqual([]);
    expect(files()).toEqual([]);
  });

  test("twice replaces the first guest, whose console stays until there is a third", async () => {
    const start = (text: string): Promise<StartedInstance> =>
      startInstance(
        machine.spec(scriptedGuest({ console: text }, BOOT, LISTENING, "halt"), { ports: [WEB] }),
        machine.options(),
      );
    const read = (name: string): string => readFileSync(path.join(machine.stateDir, "instances/web", name), "utf8");
    await start("one\n");
    const [first] = machine.guests();
    const again = await start("two\n");

    expect(again.ports).toHaveLength(1);
    expect(machine.guests()).toHaveLength(1);
    expect(machine.guests()).not.toContain(first);
    expect([read("console.log.1"), read("console.log")].map((text) => text.trim())).toEqual(["one", "two"]);

    process.kill(machine.guests()[0]!, "SIGKILL");
    await start("three\n");
    expect([read("console.log.1"), read("console.log")].map((text) => text.trim())).toEqual(["two", "three"]);
    await removeInstance("web", { stateDir: machine.stateDir, stopTimeoutMs: 200 });
    expect(files()).toEqual([]);
  });

  test("keeps a console that may be emptied while the guest writes", async () => {
    const lines = Array.from({ length: 100 }, () => ({ console: "a line of it\n".repeat(1000) }));
    const talker = scriptedGuest(BOOT, LISTENING, ...lines, "halt");
    await startInstance(machine.spec(talker, { ports: [WEB] }), machine.options());
    const console = path.join(machine.stateDir, "instances/web/console.log");
    await expect.poll(() => statSync(console).size).toBeGreaterThan(0);
    truncateSync(console);

    await expect.poll(() => statSync(console).size).toBeGreaterThan(0);
    expect(readFileSync(console, "utf8")).toMatch(/^[^\0]/);
  });

  test("keeps secrets off the disk and the command line", async () => {
    const config = { process: { env: ["TOKEN=open-sesame"] } };
    await startInstance(machine.spec(SERVER, { ports: [WEB], config }), machine.options());

    const [pid] = machine.guests();
    expect(readFileSync(`/proc/${pid}/cmdline`, "utf8")).not.toContain("open-sesame");
    expect(readFileSync(`/proc/${pid}/environ`, "utf8")).not.toContain("open-sesame");
    for (const name of files().filter((name) => !name.endsWith(".sock") && name !== "instances/web")) {
      expect(readFileSync(path.join(machine.stateDir, name), "utf8")).not.toContain("open-sesame");
    }
  });

  test("works from a folder whose path is too long for a socket", async () => {
    const stateDir = path.join(machine.stateDir, "x".repeat(120));
    await startInstance(machine.spec(SERVER, { ports: [WEB] }), machine.options({ stateDir }));
    await removeInstance("web", { stateDir, stopTimeoutMs: 100 });

    expect(machine.guests()).toEqual([]);
  });
});

describe("whose an instance is", () => {
  const MINE = { incarnation: "1", owner: '"web" of mine' };
  const start = async (ownership?: StartOptions["ownership"]): Promise<number[]> => {
    await startInstance(machine.spec(SERVER, { ports: [WEB] }), machine.options({ ownership }));
    return machine.guests();
  };
  const remove = (incarnation?: string): Promise<void> =>
    removeInstance("web", { stateDir: machine.stateDir, stopTimeoutMs: 200, incarnation });

  test.each([
    ["the owner's, in whichever incarnation", MINE, { ...MINE, incarnation: "2" }],
    ["that incarnation's, whatever its owner is called by now", MINE, { ...MINE, owner: '"shop" of mine' }],
    ["anybody's that an older version has started", undefined, MINE],
    ["anybody's whose owner was not known", { incarnation: "1" }, { ...MINE, incarnation: "2" }],
  ])("a start takes the place of %s", async (_what, before, after) => {
    const [guest] = await start(before);
    const guests = await start(after);
    expect(guests).toHaveLength(1);
    expect(guests).not.toContain(guest);
  });

  test.each([
    ["another owner", { incarnation: "2", owner: '"web" of hers' }],
    ["what an older version has created", undefined],
  ])("a start by %s does not, and says what to do", async (_what, other) => {
    const [guest] = await start(MINE);
    const folder = path.join(machine.stateDir, "instances/web");
    await expect(start(other)).rejects.toThrow(
      `The name "web" is taken on this machine by "web" of mine. Give this instance another "name", destroy that one first, or, ` +
        `if this resource had another name or parent before, tell Pulumi so by an alias. ` +
        `If no stack looks after that one any more, remove it by: kill ${guest} && rm -r "${folder}"`,
    );
    expect(machine.guests()).toEqual([guest]);

    process.kill(guest!, "SIGKILL");
    await expect.poll(() => machine.guests()).toEqual([]);
    await expect(start(other)).rejects.toThrow(`remove it by: rm -r "${folder}"`);
  });

  test("a removal leaves another incarnation alone", async () => {
    const guests = await start(MINE);
    await remove("2");
    await remove();
    expect(machine.guests()).toEqual(guests);
    await remove("1");
    expect(machine.guests()).toEqual([]);
    expect(files()).toEqual([]);
  });

  test("a removal takes what an older version has started", async () => {
    await start();
    await remove("1");
    expect(machine.guests()).toEqual([]);
  });
});

describe("a guest that does not come up", () => {
  async function failure(kernel: Uint8Array, change: { startTimeoutMs?: number } = {}): Promise<NotReadyError> {
    const error = await startInstance(machine.spec(kernel, { ports: [WEB] }), machine.options(change)).catch(
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(NotReadyError);
    return error as NotReadyError;
  }

  test("because it crashes: the status and the console are told", async () => {
    const crash = scriptedGuest(
      BOOT,
      { console: "segmentation fault at 0x0\n" },
      { status: { event: "exit", signal: "SIGSEGV", code: 139 } },
      { exit: 139 },
    );
    const error = await failure(crash);

    expect(error.message).toContain("SIGSEGV ended the application");
    expect(error.message).toContain("segmentation fault at 0x0");
    expect(error.ending).toEqual({ code: 139, reason: "SIGSEGV ended the application" });
    expect(await observeInstance("web", machine.stateDir)).toMatchObject({ state: "failed", exitCode: 139 });
  });

  test("because its memory runs out: that is the reason given, not what followed", async () => {
    const hungry = scriptedGuest(
      BOOT,
      { status: { event: "oom", message: "no page left for process 1", code: 137 } },
      { status: { event: "exit", signal: "SIGKILL", code: 137 } },
      { exit: 137 },
    );

    expect((await failure(hungry)).ending).toEqual({
      code: 137,
      reason: "the guest ran out of memory: no page left for process 1",
    });
  });

  test("because the kernel fails: that is the reason given, and what observing it finds", async () => {
    const panic = scriptedGuest(
      BOOT,
      { status: { event: "panic", message: "no root file system", code: 255 } },
      { exit: 255 },
    );
    const ending = { code: 255, reason: "the kernel failed: no root file system" };

    expect((await failure(panic)).ending).toEqual(ending);
    expect(await observeInstance("web", machine.stateDir)).toMatchObject({
      state: "failed",
      exitCode: ending.code,
      reason: ending.reason,
    });
  });

  test("because it resets without a word", async () => {
    expect((await failure(scriptedGuest(BOOT, "reset"))).message).toContain("the guest reset itself without a word");
  });

  test("because it never listens: it runs on, and the next start replaces it", async () => {
    const error = await failure(scriptedGuest(BOOT, { console: "thinking\n" }, "halt"), { startTimeoutMs: 700 });

    expect(error.message).toContain("not ready after 0.7 s: nothing listens on port 8080/tcp");
    expect(error.message).toContain("thinking");
    expect(error.ending).toBeUndefined();
    expect(machine.guests()).toHaveLength(1);

    await startInstance(machine.spec(SERVER, { ports: [WEB] }), machine.options());
    expect(machine.guests()).toHaveLength(1);
  });

  test("because it listens where nothing outside reaches it", async () => {
    const listening = (address: string, port = 8080): { status: object } => ({
      status: { event: "listening", protocol: "tcp", address, port },
    });
    const hidden = [listening("127.0.0.1"), listening("::1"), listening("0.0.0.0", 8081)];
    const { message, ending } = await failure(scriptedGuest(BOOT, ...hidden, "halt"), { startTimeoutMs: 700 });

    expect(message).toContain(
      "not ready after 0.7 s: it listens on 127.0.0.1:8080, [::1]:8080 only, where nothing outside reaches it; let it listen on 0.0.0.0. It runs on",
    );
    expect(ending).toBeUndefined();
    expect(await observeInstance("web", machine.stateDir)).toMatchObject({ state: "running", ready: false });
  });

  test("because QEMU refuses: nothing is left behind", async () => {
    const spec = machine.spec(SERVER);
    spec.image = { ...spec.image, disk: path.join(machine.folder, "gone") };

    await expect(startInstance(spec, machine.options())).rejects.toThrow(/QEMU could not start the guest: .*gone/);
    expect(files()).toEqual([]);
  });

  test("because the memory is too small", async () => {
    const spec = machine.spec(SERVER, { memory: 4 << 20 });

    await expect(startInstance(spec, machine.options())).rejects.toThrow(
      "4 MiB of memory is too small for this image: it needs at least 8 MiB",
    );
  });

  test("because it is cancelled: nothing is left behind", async () => {
    const signal = AbortSignal.timeout(1500);
    const start = startInstance(
      machine.spec(scriptedGuest(BOOT, "halt"), { ports: [WEB] }),
      machine.options({ signal }),
    );

    await expect(start).rejects.toThrow();
    expect(machine.guests()).toEqual([]);
    expect(files()).toEqual([]);
  });
});

describe("a port that is taken", () => {
  let holder: net.Server;
  let port: number;
  beforeAll(async () => {
    holder = net.createServer();
    await new Promise<void>((resolve) => holder.listen(0, "127.0.0.1", resolve));
    port = (holder.address() as net.AddressInfo).port;
  });
  afterAll(() => void holder.close());

  test("is told with the program that has it, and nothing is left behind", async () => {
    const start = startInstance(machine.spec(SERVER, { ports: [{ ...WEB, host: port }] }), machine.options());

    await expect(start).rejects.toThrow(
      `Port ${port}/tcp of 127.0.0.1 is already taken by node (process ${process.pid})`,
    );
    expect(files()).toEqual([]);
  });
});

describe("stopping", () => {
  test("leaves no process, no file and no port", async () => {
    const { ports } = await startInstance(machine.spec(SERVER, { ports: [WEB] }), machine.options());
    await removeInstance("web", { stateDir: machine.stateDir, stopTimeoutMs: 200 });

    expect(machine.guests()).toEqual([]);
    expect(files()).toEqual([]);
    const again = net.createServer();
    await new Promise<void>((resolve, reject) =>
      again.once("error", reject).listen(ports[0]?.host, "127.0.0.1", resolve),
    );
    again.close();
  });

  test("what is gone already is fine", async () => {
    await removeInstance("web", { stateDir: machine.stateDir, stopTimeoutMs: 200 });
  });

  test("works when the control socket is gone", async () => {
    await startInstance(machine.spec(SERVER, { ports: [WEB] }), machine.options());
    const { rmSync } = await import("node:fs");
    rmSync(path.join(machine.stateDir, "instances/web/qmp.sock"), { force: true });
    await removeInstance("web", { stateDir: machine.stateDir, stopTimeoutMs: 200 });

    expect(machine.guests()).toEqual([]);
  });

  test("kills a QEMU that does not listen to anything", async () => {
    await startInstance(machine.spec(SERVER, { ports: [WEB] }), machine.options());
    const [pid] = machine.guests();
    process.kill(pid!, "SIGSTOP");
    await removeInstance("web", { stateDir: machine.stateDir, stopTimeoutMs: 200 });

    expect(machine.guests()).toEqual([]);
  });

  test("touches no other process that has taken the pid", async () => {
    await startInstance(machine.spec(SERVER, { ports: [WEB] }), machine.options());
    const [pid] = machine.guests();
    const { writeFileSync } = await import("node:fs");
    process.kill(pid!, "SIGKILL");
    writeFileSync(path.join(machine.stateDir, "instances/web/qemu.pid"), `${process.pid}\n`);
    await removeInstance("web", { stateDir: machine.stateDir, stopTimeoutMs: 200 });

    expect(existsSync(path.join(machine.stateDir, "instances/web"))).toBe(false);
  });
});

test.each([
  ["SIGKILL", /reset itself$/],
  // QEMU says on its own who ended it.
  ["SIGTERM", /reset itself \(QEMU's last words: .*terminating on signal 15 from pid \d+ .*\)$/],
] as const)("a guest that is ended by %s is seen to have failed, with what QEMU had to say", async (signal, reason) => {
  await startInstance(machine.spec(SERVER, { ports: [WEB] }), machine.options());
  process.kill(machine.guests()[0]!, signal);
  await expect.poll(() => machine.guests()).toEqual([]);

  expect(await observeInstance("web", machine.stateDir)).toMatchObject({
    state: "failed",
    reason: expect.stringMatching(reason) as string,
  });
});
