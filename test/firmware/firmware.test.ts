import { openSync, closeSync, readFileSync, writeFileSync, writeSync } from "node:fs";
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

describe.each(FIRMWARE)("under %s", (firmware) => {
  test.each(DISKS)("a C server boots from its disk on %s", async (_, devices) => {
    expect(await (await start({ firmware, disk, devices })).text("/")).toBe("Hello from C\n");
  });

  test("a Ruby container boots from its disk", async () => {
    const ruby = await diskOf({ container: rubyContainer }, `ruby-${firmware}.raw`);
    expect(await (await start({ firmware, disk: ruby })).text("/")).toMatch(/^Hello from a container\n/);
  });

  test("a kernel that is damaged is not started, and the console says why", async () => {
    const damaged = path.join(host.folder, `damaged-${firmware}.raw`);
    const bytes = readFileSync(disk);
    // The file in the EFI system partition is one, whoever reads it.
    const kernel = bytes.indexOf(Buffer.from("\x7fELF\x02\x01\x01", "latin1"), 64 * 1024);
    bytes.writeUInt16LE(183, kernel + 18);
    writeFileSync(damaged, bytes);
    const machine = await start({ firmware, disk: damaged });
    await machine.says(
      "unikernel: the file KERNEL.ELF is no kernel for this machine; write the image to the disk again",
    );
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
