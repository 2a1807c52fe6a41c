import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { buildImage } from "../../provider/src/image/index.js";
import { claimPorts } from "../../provider/src/targets/local/ports.js";
import { QmpClient } from "../../provider/src/targets/local/qmp.js";
import { guestProgram } from "../support/guest.js";
import { PATIENCE_MS } from "../support/limits.js";
import { Machine } from "../support/machine.js";

const host = new Machine();
let disk: string;
let kernel: string;
let guests = 0;

beforeAll(async () => {
  const directory = path.join(host.folder, "root");
  mkdirSync(directory);
  copyFileSync(guestProgram("card"), path.join(directory, "card"));
  writeFileSync(path.join(directory, "data"), randomBytes(16 << 20));
  const image = await buildImage(
    { source: { directory, command: ["/card"] } },
    { baseDir: host.folder, cacheDir: host.cacheDir },
  );
  disk = image.disk;
  kernel = image.kernel.path;
});
afterAll(() => host.dispose());

/** Where the card is on the PCI bus. */
const SLOT = 5;

interface Running {
  qmp: QmpClient;
  /** A connection to the guest, which sends back what it gets. */
  socket: Socket;
  console: () => string;
  /** QEMU's exit status. */
  ended: Promise<number>;
}

/** Boots the image on a machine whose cards can be taken out, and connects to it. */
async function start(): Promise<Running> {
  const [port] = await claimPorts([{ guest: 8080, host: 0, protocol: "tcp", hostAddress: "127.0.0.1" }]);
  const control = path.join(host.folder, `qmp-${guests++}`);
  const qemu = spawn(
    "qemu-system-x86_64",
    [
      ...["-accel", "tcg", "-machine", "pc", "-cpu", "max", "-m", "64", "-kernel", kernel, "-nodefaults"],
      ...["-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio"],
      ...["-device", "isa-debug-exit,iobase=0x501,iosize=2"],
      ...["-drive", `if=none,id=root,format=raw,read-only=on,file.locking=off,file=${disk}`],
      ...["-device", "virtio-blk-pci,drive=root", "-device", `virtio-net-pci,id=card,addr=${SLOT},netdev=net,romfile=`],
      ...["-netdev", `user,id=net,hostfwd=tcp:127.0.0.1:${port?.host}-:8080`],
      ...["-chardev", `socket,id=qmp,path=${control},server=on,wait=off`, "-mon", "chardev=qmp,mode=control"],
    ],
    { stdio: ["ignore", "pipe", "inherit"], timeout: PATIENCE_MS, killSignal: "SIGKILL" },
  );
  let console = "";
  qemu.stdout.setEncoding("utf8").on("data", (text: string) => (console += text));
  const ended = once(qemu, "close").then(([status]) => status as number);
  const patient = { timeout: PATIENCE_MS, interval: 100 };
  await vi.waitFor(() => expect(console).toContain("tick 3:"), patient);
  const qmp = await QmpClient.connect(control);
  const socket = connect(port?.host ?? 0, "127.0.0.1").setEncoding("utf8");
  await once(socket, "connect");
  return { qmp, socket, console: () => console, ended };
}

/** Whether the guest sends a line back within so many milliseconds. */
async function answers(socket: Socket, line: string, limitMs: number): Promise<boolean> {
  let got = "";
  const listen = (text: string): void => void (got += text);
  socket.on("data", listen).write(line);
  const end = performance.now() + limitMs;
  while (!got.includes(line) && performance.now() < end) await sleep(20);
  socket.off("data", listen);
  return got.includes(line);
}

/** Writes one, two or four bytes to a port of the machine, as its firmware or somebody beside the kernel would. */
async function write(qmp: QmpClient, size: 1 | 2 | 4, port: number, value: number): Promise<void> {
  const format = { 1: "b", 2: "h", 4: "w" }[size];
  const line = `o /${format} ${port} ${value}`;
  const complaint = await qmp.execute("human-monitor-command", { "command-line": line });
  if (complaint !== "") throw new Error(`${line}: ${String(complaint)}`);
}

/** The address of the registers that the card had before version 1 of virtio, which it has still. */
async function oldRegisters(qmp: QmpClient): Promise<number> {
  interface Bus {
    devices: { slot: number; regions: { type: string; address: number }[] }[];
  }
  const [bus] = (await qmp.execute("query-pci")) as Bus[];
  const card = bus?.devices.find(({ slot }) => slot === SLOT);
  const region = card?.regions.find(({ type }) => type === "io");
  if (region === undefined) throw new Error("the card has no ports");
  return region.address;
}

const ends: [string, (qmp: QmpClient) => Promise<void>][] = [
  [
    "is taken out",
    async (qmp) => {
      await qmp.execute("device_del", { id: "card" });
      // The kernel lets nobody take anything out, so this does what it would: bus 0, and which slot is free now.
      await write(qmp, 4, 0xae10, 0);
      await write(qmp, 4, 0xae08, 1 << SLOT);
      const left = (await qmp.execute("qom-list", { path: "/machine/peripheral" })) as { name: string }[];
      expect(left.map(({ name }) => name)).not.toContain("card");
    },
  ],
  [
    "is there no more: its registers read as all ones, and it reaches no memory",
    async (qmp) => {
      // Its command register, in the configuration space.
      await write(qmp, 4, 0xcf8, 0x80000000 + SLOT * 0x800 + 4);
      await write(qmp, 2, 0xcfc, 0);
    },
  ],
  ["is reset by somebody else", async (qmp) => write(qmp, 1, (await oldRegisters(qmp)) + 0x12, 0)],
  [
    "fails, and asks to be reset",
    async (qmp) => {
      const registers = await oldRegisters(qmp);
      // A queue where no memory is.
      await write(qmp, 2, registers + 0xe, 0);
      await write(qmp, 4, registers + 8, 0x7ffffff);
    },
  ],
  ["loses its cable for good", (qmp) => qmp.execute("set_link", { name: "card", up: false }).then(() => undefined)],
];

describe("a network card that", () => {
  test("loses its cable for a while keeps its connections", async () => {
    const { qmp, socket, console, ended } = await start();
    expect(await answers(socket, "before\n", PATIENCE_MS)).toBe(true);

    await qmp.execute("set_link", { name: "card", up: false });
    expect(await answers(socket, "meanwhile\n", 2000)).toBe(false);
    await qmp.execute("set_link", { name: "card", up: true });

    // What was sent meanwhile has arrived before.
    expect(await answers(socket, "after\n", PATIENCE_MS)).toBe(true);
    await qmp.execute("system_powerdown");
    // With status 0, by way of the exit device.
    expect(await ended).toBe(1);
    expect(console()).toMatch(/goodbye\r?\n$/);
    expect(console()).not.toContain("a connection ends");
    socket.destroy();
    qmp.close();
  });

  test.each(ends)("%s leaves the rest of the guest at work", async (_, end) => {
    const { qmp, socket, console, ended } = await start();
    expect(await answers(socket, "before\n", PATIENCE_MS)).toBe(true);

    await end(qmp);

    expect(await answers(socket, "after\n", 2000)).toBe(false);
    const ticks = (): string[] => console().match(/^tick .*/gm) ?? [];
    const before = ticks().length;
    await vi.waitFor(() => expect(ticks().length).toBeGreaterThan(before + 30), {
      timeout: PATIENCE_MS,
      interval: 100,
    });
    await qmp.execute("system_powerdown");
    expect(await ended).toBe(1);
    const lines = console().split(/\r?\n/);
    expect(lines.at(-2)).toBe("goodbye");
    expect(ticks().filter((tick) => !tick.trim().endsWith(": disk 1, self 1"))).toEqual([]);
    socket.destroy();
    qmp.close();
  });
});
