import {
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readFileSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import * as path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { buildImage, type DiskFormat, type Source, writeBootDisk } from "../../provider/src/image/index.js";
import { Computer, type ComputerOptions } from "../support/computer.js";
import { guestProgram, rubyContainer } from "../support/guest.js";
import { Machine } from "../support/machine.js";

const host = new Machine();
afterAll(() => host.dispose());

let computer: Computer | undefined;
afterEach(() => computer?.stop());

async function start(options: ComputerOptions): Promise<Computer> {
  return (computer = await Computer.start(options));
}

/** Writes a source as a disk and returns its path. */
async function diskOf(source: Source, name: string, format: DiskFormat = "raw"): Promise<string> {
  const image = await buildImage({ source }, { baseDir: host.folder, cacheDir: host.cacheDir });
  const disk = path.join(host.folder, name);
  await writeBootDisk(image, format, disk);
  return disk;
}

const C_SERVER = { binary: guestProgram("c-server") };
let disk: string;
beforeAll(async () => {
  disk = await diskOf(C_SERVER, "c.raw");
});

const FIRMWARE = ["bios", "uefi"] as const;
const DISKS: [string, string[]][] = [
  ["virtio-blk", ["virtio-blk-pci,drive=disk,bootindex=0"]],
  ["virtio-scsi", ["virtio-scsi-pci", "scsi-hd,drive=disk,bootindex=0"]],
  ["NVMe", ["nvme,drive=disk,serial=1,bootindex=0"]],
  ["AHCI", ["ide-hd,drive=disk,bus=ide.0,bootindex=0"]],
];
const CARDS = [
  ["of before virtio 1", "disable-modern=on,disable-legacy=off"],
  ["of virtio 1", "disable-modern=off,disable-legacy=on"],
] as const;

/** What happens to the kernel's file on the disk, and what is said of it. */
const DAMAGE: [string, (file: Buffer) => void, string][] = [
  [
    "has one bit turned over",
    (file) => file.writeUInt8(file.readUInt8(file.length >> 1) ^ 0x10, file.length >> 1),
    "the file KERNEL.GZ is corrupt, by its checksum",
  ],
  ["is overwritten", (file) => file.fill(0xff), "the file KERNEL.GZ is no kernel for this machine"],
];

/** The part of a disk that holds the kernel's file, which the BIOS loader is told of: it is one, whoever reads it. */
function kernelFile(disk: Buffer): Buffer {
  const stage = 40 * 512;
  const start = Number(disk.readBigUInt64LE(stage + 16)) * 512;
  return disk.subarray(start, start + disk.readUInt32LE(stage + 24));
}

describe.each(FIRMWARE)("under %s", (firmware) => {
  test.each(DISKS)("a C server boots from its disk on %s", async (_, devices) => {
    expect(await (await start({ firmware, disk, devices })).text("/")).toBe("Hello from C\n");
  });

  test.each(CARDS)("it is reached by a network card %s", async (_, card) => {
    expect(await (await start({ firmware, disk, card })).text("/")).toBe("Hello from C\n");
  });

  test("a volume larger than the disk boots, as clouds have them", async () => {
    const volume = path.join(host.folder, `volume-${firmware}.raw`);
    copyFileSync(disk, volume);
    truncateSync(volume, 2 ** 30);
    expect(await (await start({ firmware, disk: volume })).text("/")).toBe("Hello from C\n");
  });

  test("the time of day is the machine's", async () => {
    const directory = path.join(host.folder, "clock");
    mkdirSync(directory, { recursive: true });
    copyFileSync(guestProgram("show-instance"), path.join(directory, "show"));
    const clock = await diskOf({ directory, command: ["/show", "/proc/stat"] }, `clock-${firmware}.raw`);
    const machine = await start({ firmware, disk: clock, time: "2031-02-03T04:05:06" });
    await machine.says("softirq");
    const started = Number(/^btime (\d+)\r?$/m.exec(machine.console)?.[1]) * 1000;
    // The machine's clock has whole seconds, as has what is printed, and the firmware takes its time, too.
    expect(started).toBeGreaterThan(Date.UTC(2031, 1, 3, 4, 5, 0));
    expect(started).toBeLessThan(Date.UTC(2031, 1, 3, 4, 10));
  });

  test("the power button is the stop signal to the application, whose end turns the machine off", async () => {
    const stop = await diskOf({ binary: guestProgram("stop") }, `stop-${firmware}.raw`);
    const machine = await start({ firmware, disk: stop });
    await machine.says("waiting");
    expect(await machine.powerOff()).toBe(0);
    expect(machine.console).toContain("signal 15, of the kernel, from process 0");
  });

  test("a Ruby container boots from its disk", async () => {
    const ruby = await diskOf({ container: rubyContainer }, `ruby-${firmware}.raw`);
    expect(await (await start({ firmware, disk: ruby })).text("/")).toMatch(/^Hello from a container\n/);
  });

  test.each(DAMAGE)("a kernel that %s is not started, and the console says why", async (name, damage, sentence) => {
    const damaged = path.join(host.folder, `damaged-${firmware}-${DAMAGE.findIndex(([other]) => other === name)}.raw`);
    const bytes = readFileSync(disk);
    damage(kernelFile(bytes));
    writeFileSync(damaged, bytes);
    await (await start({ firmware, disk: damaged })).says(`unikernel: ${sentence}; write the image to the disk again`);
  });
});

test("BIOS boots on the least memory that the kernel can start with", async () => {
  expect(await (await start({ firmware: "bios", disk, memory: 16 })).text("/")).toBe("Hello from C\n");
});

test("a machine without memory where the kernel has to be says so", async () => {
  const machine = await start({ firmware: "bios", disk, memory: 3 });
  await machine.says("unikernel: there is too little memory to load the kernel; give the machine more");
});

test("a loader that is damaged is not started, and the console says so", async () => {
  const damaged = path.join(host.folder, "damaged-loader.raw");
  writeFileSync(damaged, readFileSync(disk));
  const file = openSync(damaged, "r+");
  writeSync(file, Buffer.alloc(512), 0, 512, 40 * 512);
  closeSync(file);
  await (await start({ firmware: "bios", disk: damaged })).says("unikernel: the boot loader is damaged");
});

describe("QEMU boots the format", () => {
  test.each([
    ["qcow2", "qcow2"],
    ["vmdk", "vmdk"],
    ["vhd", "vpc"],
  ] as const)("%s", async (format, name) => {
    const file = await diskOf(C_SERVER, `c.${format}`, format);
    expect(await (await start({ firmware: "bios", disk: file, format: name })).text("/")).toBe("Hello from C\n");
  });
});
