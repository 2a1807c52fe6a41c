import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildImage } from "../../provider/src/image/index.js";
import { guestProgram } from "../support/guest.js";
import { Machine } from "../support/machine.js";
import { FailingDisk, type Answer } from "../support/nbd.js";

/** Not a multiple of a page, of a readahead window or of a request. */
const SIZE = 5_000_001;
const PAGE = 4096;
/** Where the tests make the disk fail: a page of the file. */
const BAD = 700 * PAGE;

const host = new Machine();
const data = randomBytes(SIZE);
let disk: string;
let kernel: string;

beforeAll(async () => {
  const directory = path.join(host.folder, "root");
  mkdirSync(directory);
  copyFileSync(guestProgram("disk-reader"), path.join(directory, "reader"));
  writeFileSync(path.join(directory, "data"), data);
  const image = await buildImage(
    { source: { directory, command: ["/reader", "/data"] } },
    { baseDir: host.folder, cacheDir: host.cacheDir },
  );
  disk = image.disk;
  kernel = image.kernel.path;
});
afterAll(() => host.dispose());

/** The sum that the guest's program prints. */
function fnv(bytes: Buffer): string {
  let sum = 2166136261;
  for (const byte of bytes) sum = Math.imul(sum ^ byte, 16777619);
  return (sum >>> 0).toString(16).padStart(8, "0");
}

interface Machinery {
  machine?: string;
  /** Default: the machine's own. */
  firmware?: string;
  devices: string[];
  /** QEMU's description of the disk behind the devices, which call it `disk`. */
  drive?: string;
  words?: string;
}

/** Boots the image and returns what the guest printed. */
function boot({ machine = "q35", firmware, devices, drive, words = "" }: Machinery): Promise<string[]> {
  const file = `format=raw,snapshot=on,file.locking=off,file=${disk}`;
  const qemu = spawn(
    "qemu-system-x86_64",
    [
      ...["-accel", "tcg", "-machine", machine, "-cpu", "max", "-m", "32", "-kernel", kernel, "-append", words],
      ...["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio"],
      ...(firmware === undefined ? [] : ["-bios", firmware]),
      ...["-device", "isa-debug-exit,iobase=0x501,iosize=2", "-drive", `if=none,id=disk,${drive ?? file}`],
      ...devices.flatMap((device) => ["-device", device]),
    ],
    { stdio: ["ignore", "pipe", "pipe"], timeout: 100_000, killSignal: "SIGKILL" },
  );
  let console = "";
  let complaints = "";
  qemu.stdout.setEncoding("utf8").on("data", (text: string) => (console += text));
  qemu.stderr.setEncoding("utf8").on("data", (text: string) => (complaints += text));
  return new Promise((resolve, reject) => {
    qemu.on("error", reject);
    qemu.on("close", (_, signal) => {
      if (signal) reject(new Error(`the guest did not end; it printed:\n${console}${complaints}`));
      else resolve([...console.split(/\r?\n/), ...complaints.split("\n")].filter((line) => line !== ""));
    });
  });
}

const LEGACY = "disable-modern=on,disable-legacy=off";
const MODERN = "disable-modern=off,disable-legacy=on";
const TRANSITIONAL = "disable-modern=off,disable-legacy=off";

const everyDisk: [string, Machinery][] = [
  ["virtio-blk, legacy", { devices: [`virtio-blk-pci,drive=disk,${LEGACY}`] }],
  ["virtio-blk, transitional", { devices: [`virtio-blk-pci,drive=disk,${TRANSITIONAL}`] }],
  ["virtio-scsi, modern", { devices: [`virtio-scsi-pci,${MODERN}`, "scsi-hd,drive=disk"] }],
  ["virtio-scsi, legacy", { devices: [`virtio-scsi-pci,${LEGACY}`, "scsi-hd,drive=disk,scsi-id=9"] }],
  ["virtio-scsi, transitional", { machine: "pc", devices: [`virtio-scsi-pci,${TRANSITIONAL}`, "scsi-hd,drive=disk"] }],
  [
    "virtio-scsi, blocks of 4096 bytes",
    { devices: ["virtio-scsi-pci", "scsi-hd,drive=disk,logical_block_size=4096,physical_block_size=4096"] },
  ],
  ["virtio-scsi, a CD", { devices: ["virtio-scsi-pci", "scsi-cd,drive=disk"] }],
  ["NVMe", { devices: ["nvme,drive=disk,serial=1"] }],
  [
    "NVMe, third namespace, blocks of 4096 bytes, least transfers",
    {
      machine: "pc",
      devices: [
        "nvme,id=nvme,serial=1,mdts=1",
        "nvme-ns,drive=disk,bus=nvme,nsid=3,logical_block_size=4096,physical_block_size=4096",
      ],
    },
  ],
  ["AHCI", { devices: ["ide-hd,drive=disk,bus=ide.2"] }],
  ["AHCI, added to a PC", { machine: "pc", devices: ["ahci,id=ahci", "ide-hd,drive=disk,bus=ahci.0"] }],
];

const BEHIND_BRIDGE = ["pcie-root-port,id=bridge", "virtio-blk-pci,drive=disk,bus=bridge"];

describe("the image is read, byte for byte, from", () => {
  const all = (): string[] => {
    const whole = `${SIZE} bytes, sum ${fnv(data)}, 0 failures`;
    return [`read ${whole}`, `mapped ${whole}`];
  };

  test.each([...everyDisk, ["virtio-blk, behind a bridge", { devices: BEHIND_BRIDGE }] as const])(
    "%s",
    async (_, machinery) => {
      expect(await boot(machinery)).toEqual(all());
    },
  );

  // Ports, memory, wide memory, and what is built into the machine.
  const placed = ["virtio-blk, legacy", "virtio-scsi, transitional", "NVMe", "AHCI"];
  test.each(everyDisk.filter(([name]) => placed.includes(name)))("%s, placed by the kernel", async (_, machinery) => {
    expect(await boot({ ...machinery, firmware: "qboot.rom" })).toEqual(all());
  });
});

test("a disk behind a bridge that the firmware gave no addresses is left out, and a line says so", async () => {
  expect(await boot({ firmware: "qboot.rom", devices: BEHIND_BRIDGE })).toEqual([
    "unikernel: PCI device 01:00.0 is left out: the firmware gave it no addresses, and it is not on the first bus",
    "unikernel: there is no disk that this kernel has a driver for; attach the image as one",
  ]);
});

/** The same bytes as the image, served by a disk that fails as it is told to. */
async function withFailingDisk(
  answer: (bad: boolean, nth: number) => Answer,
  work: (drive: string) => Promise<void>,
): Promise<void> {
  const content = readFileSync(disk);
  const bad = content.indexOf(data.subarray(BAD, BAD + PAGE));
  const socket = path.join(host.folder, `${randomBytes(4).toString("hex")}.sock`);
  let nth = 0;
  const server = await FailingDisk.listen(socket, content, (offset, length) => {
    const hit = offset <= bad && bad < offset + length;
    return answer(hit, hit ? nth++ : nth);
  });
  try {
    await work(`driver=raw,file.driver=nbd,file.server.type=unix,file.server.path=${socket}`);
  } finally {
    server.close();
  }
}

const failing: [string, string[], RegExp][] = [
  ["virtio-blk", ["virtio-blk-pci,drive=disk"], /I\/O error \(0x1\)/],
  ["virtio-scsi", ["virtio-scsi-pci", "scsi-hd,drive=disk"], /aborted command \(0xb0006\)/],
  ["NVMe", ["nvme,drive=disk,serial=1"], /unrecovered read error \(0x281\)/],
  ["AHCI", ["ide-hd,drive=disk,bus=ide.0"], /command aborted \(0x4\)/],
];

describe.each(failing)("a disk that fails, by %s", (_, devices, reason) => {
  test("gives EIO and SIGBUS on the page that it fails at, all other bytes, and a line on the console", async () => {
    await withFailingDisk(
      (bad) => (bad ? "error" : "data"),
      async (drive) => {
        const printed = await boot({ devices, drive });

        expect(printed.join("\n")).toMatch(
          new RegExp(String.raw`^unikernel: disk \S.* cannot read \d+ bytes from byte \d+ on: ${reason.source}$`, "m"),
        );
        const rest = Buffer.concat([data.subarray(0, BAD), data.subarray(BAD + PAGE)]);
        const all = `${SIZE - PAGE} bytes, sum ${fnv(rest)}, 1 failures`;
        const lines = [`read fails at ${BAD}: EIO`, `read ${all}`, `mapping fails at ${BAD}: BUS`, `mapped ${all}`];
        expect(printed.filter((line) => /^(read|mapp)/.test(line))).toEqual(lines);
      },
    );
  });

  test("is read again when it fails for a moment", async () => {
    await withFailingDisk(
      (bad, nth) => (bad && nth < 2 ? "error" : "data"),
      async (drive) => {
        const whole = `${SIZE} bytes, sum ${fnv(data)}, 0 failures`;
        const printed = await boot({ devices, drive });

        expect(printed.filter((line) => !line.includes("aio failed"))).toEqual([`read ${whole}`, `mapped ${whole}`]);
      },
    );
  });
});

describe.each(failing)("a disk that falls silent, by %s", (_, devices) => {
  test("is waited for, and works on when it answers at last", async () => {
    await withFailingDisk(
      (bad, nth) => (bad && nth === 0 ? "late" : "data"),
      async (drive) => {
        const whole = `${SIZE} bytes, sum ${fnv(data)}, 0 failures`;
        const printed = await boot({ devices, drive, words: "disk.timeout=1" });

        expect(printed.filter((line) => /^(read|mapped) /.test(line))).toEqual([`read ${whole}`, `mapped ${whole}`]);
        expect(printed.join("\n")).toMatch(/^unikernel: disk \S.* has not answered a read at byte \d+ for \d+ s$/m);
      },
    );
  });
});
