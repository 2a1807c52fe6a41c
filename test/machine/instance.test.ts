import { execFileSync, spawn } from "node:child_process";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import type { AddressInfo, Socket } from "node:net";
import * as net from "node:net";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildImage } from "../../provider/src/image/index.js";
import { linkLocalNetwork, MADE_BY } from "../support/computer.js";
import { guestProgram } from "../support/guest.js";
import { PATIENCE_MS } from "../support/limits.js";
import { Machine } from "../support/machine.js";
import { amazonMetadata, googleMetadata } from "../support/metadata-services.js";

const host = new Machine();
let disk: string;
let kernel: string;
let images = 0;
const servers: net.Server[] = [];

beforeAll(async () => {
  const directory = path.join(host.folder, "root");
  mkdirSync(path.join(directory, "etc"), { recursive: true });
  copyFileSync(guestProgram("show-instance"), path.join(directory, "show"));
  const image = await buildImage(
    {
      source: { directory, command: ["/show", "/etc/app/key", "/etc/plain", "/proc/uptime"] },
      env: { IMAGE: "1", SHARED: "image" },
    },
    { baseDir: host.folder, cacheDir: host.cacheDir },
  );
  disk = image.disk;
  kernel = image.kernel.path;
});
afterAll(() => {
  for (const server of servers) server.close();
  host.dispose();
});

interface Setting {
  /** Words of the machine's firmware: QEMU's options. */
  firmware?: string[];
  /** The port of this machine that has the metadata service. */
  port?: number | undefined;
  devices?: string[];
  /** What follows `virtio-net-pci`. */
  card?: string;
}

interface Outcome {
  /** The lines that the guest printed. */
  printed: string[];
  /** Seconds after the start of its kernel at which the application ran, by the guest's own clock. */
  uptime: number;
}

/** Boots the image in a network that has the service, if any, at its address. */
function run({ firmware = [], port, devices = [], card = "" }: Setting): Promise<Outcome> {
  const qemu = spawn(
    "qemu-system-x86_64",
    [
      ...["-accel", "tcg", "-machine", "q35", "-cpu", "max", "-m", "32", "-kernel", kernel, "-nodefaults"],
      ...["-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio", ...firmware],
      ...["-device", "isa-debug-exit,iobase=0x501,iosize=2"],
      ...["-drive", `if=none,id=root,format=raw,read-only=on,file.locking=off,file=${disk}`],
      ...["-device", "virtio-blk-pci,drive=root", "-device", `virtio-net-pci,netdev=net,romfile=${card}`],
      ...["-netdev", `user,id=net,restrict=on,${linkLocalNetwork(port)}`],
      ...devices,
    ],
    { stdio: ["ignore", "pipe", "inherit"], timeout: PATIENCE_MS, killSignal: "SIGKILL" },
  );
  let console = "";
  qemu.stdout.setEncoding("utf8").on("data", (text: string) => (console += text));
  return new Promise((resolve, reject) => {
    qemu.on("error", reject);
    qemu.on("close", (_, signal) => {
      if (signal) return reject(new Error(`the guest did not end; it printed:\n${console}`));
      const lines = console.split(/\r?\n/);
      // What every image sets does not matter here.
      const printed = lines.filter((line) => line !== "" && !/^(env (PATH|HOME)=|file \/proc\/uptime: )/.test(line));
      resolve({ printed, uptime: Number(/^file \/proc\/uptime: \S+ \S+ (\S+)/m.exec(console)?.[1]) });
    });
  });
}

/** Boots the image likewise; the lines that the guest printed. */
const boot = async (setting: Setting): Promise<string[]> => (await run(setting)).printed;

const listen = (server: net.Server): Promise<number> =>
  new Promise((resolve) => {
    servers.push(server);
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });

async function amazon(userData: string | undefined, requests: string[] = []): Promise<number> {
  const server = await amazonMetadata(userData, requests);
  servers.push(server);
  return server.port;
}

async function google(userData: string): Promise<number> {
  const server = await googleMetadata({ "user-data": userData });
  servers.push(server);
  return server.port;
}

/** What the image alone gives. */
const noFiles = ["file /etc/app/key: none", "file /etc/plain: none"];
const image = ["env IMAGE=1", "env SHARED=image", ...noFiles];

describe("an instance's own configuration", () => {
  const userData = JSON.stringify({
    process: { env: ["SHARED=instance", "SECRET=käse"] },
    hostname: "chosen",
    files: [
      { path: "/etc/app/key", content: "c2VjcmV0", encoding: "base64", permissions: "0600", owner: { uid: 7, gid: 8 } },
      { path: "/etc/plain", content: "text" },
      { path: "relative", content: "nowhere" },
    ],
  });

  test("comes from Amazon's metadata service, with a token", async () => {
    const requests: string[] = [];
    const printed = await boot({ firmware: MADE_BY.Amazon.SMBIOS, port: await amazon(userData, requests) });

    expect(printed).toEqual([
      "unikernel: the instance's file relative is left out: its path is not absolute",
      "host chosen",
      "env IMAGE=1",
      "env SHARED=instance",
      "env SECRET=käse",
      "file /etc/app/key: 600 7:8 secret",
      "file /etc/plain: 644 0:0 text",
    ]);
    expect(requests).toEqual([
      "PUT /latest/api/token",
      "GET /latest/user-data",
      "GET /latest/meta-data/local-hostname",
    ]);
  });

  test("comes from Amazon's where only ACPI's tables tell its name, and names the guest", async () => {
    const printed = await boot({ firmware: MADE_BY.Amazon.ACPI, port: await amazon(undefined) });

    expect(printed).toEqual(["host ip-169-254-0-15", ...image]);
  });

  test("comes from Google's metadata server, by a card of before virtio 1, and names the guest", async () => {
    const port = await google('{"process":{"env":["A=b"]}}');
    const card = ",disable-modern=on,disable-legacy=off";

    expect(await boot({ firmware: MADE_BY.Google.SMBIOS, port, card })).toEqual([
      "host web-1",
      "env IMAGE=1",
      "env SHARED=image",
      "env A=b",
      ...noFiles,
    ]);
  });

  test("is not asked for where there is no cloud", async () => {
    const requests: string[] = [];

    expect(await boot({ port: await amazon(userData, requests) })).toEqual(["host localhost", ...image]);
    expect(requests).toEqual([]);
  });
});

describe("a metadata service that", () => {
  /** Seconds: what the kernel gives the service, and far more than it takes to boot beside other guests. */
  const SERVICE_TIME = 10;
  const START_TIME = 20;
  const started = ["host localhost", ...image];
  const raw = (serve: (socket: Socket) => void): Promise<number> =>
    listen(net.createServer((socket) => socket.on("error", () => undefined).once("data", () => serve(socket))));

  const cases: [string, () => Promise<number | undefined>, RegExp][] = [
    ["is not there", () => Promise.resolve(undefined), /cannot be reached|does not answer in time/],
    ["says nothing", () => raw(() => undefined), /does not answer in time/],
    ["speaks no HTTP", () => raw((socket) => socket.end("220 mail ESMTP\r\n")), /answers something that is not HTTP/],
    ["fails", () => raw((socket) => socket.end("HTTP/1.1 500 X\r\n\r\n")), /grants no token \(status 500\)/],
    ["grants no token", () => raw((socket) => socket.end("HTTP/1.1 403 X\r\n\r\n")), /grants no token \(status 403\)/],
    [
      "answers without end",
      () =>
        raw((socket) => {
          socket.write("HTTP/1.1 200 OK\r\n\r\n");
          const pour = (): void => {
            while (socket.writable && socket.write("x".repeat(1 << 16)));
          };
          socket.on("drain", pour);
          pour();
        }),
      /answers with more than/,
    ],
    [
      "drips",
      () =>
        raw((socket) => {
          const timer = setInterval(() => socket.write("H"), 50);
          socket.on("close", () => clearInterval(timer));
        }),
      /does not answer in time|not HTTP/,
    ],
    ["has other user data", () => amazon("#cloud-config\nruncmd: []\n"), /is not an instance's configuration/],
  ];

  // Most of them wait, so they do it together.
  test.concurrent.each(cases)(
    "%s costs a line on the console and no more than its time",
    async (name, service, sentence) => {
      const { printed, uptime } = await run({ firmware: MADE_BY.Amazon.SMBIOS, port: await service() });

      const [complaint, ...rest] = printed;
      expect(complaint).toMatch(/^unikernel: .*Amazon's metadata service/);
      expect(complaint).toMatch(sentence);
      expect(rest.filter((line) => !line.startsWith("host "))).toEqual(image);
      if (name !== "has other user data") expect(rest).toEqual(started);
      expect(uptime).toBeLessThan(SERVICE_TIME + START_TIME);
    },
  );
});

describe("a volume with the label cidata", () => {
  const files = (): string => {
    const folder = path.join(host.folder, `cidata-${images++}`);
    mkdirSync(folder);
    writeFileSync(path.join(folder, "user-data"), '{"process":{"env":["FROM=volume"]}}');
    writeFileSync(path.join(folder, "meta-data"), "instance-id: i-1\nlocal-hostname: seeded\n");
    return folder;
  };
  const expected = ["host seeded", "env IMAGE=1", "env SHARED=image", "env FROM=volume", ...noFiles];

  test("gives the configuration when it is a CD", async () => {
    const folder = files();
    const file = `${folder}.iso`;
    execFileSync("genisoimage", ["-quiet", "-o", file, "-V", "cidata", "-joliet", "-rock", folder]);
    const drive = ["-drive", `if=none,id=seed,format=raw,media=cdrom,file=${file}`];

    expect(await boot({ devices: [...drive, "-device", "virtio-scsi-pci", "-device", "scsi-cd,drive=seed"] })).toEqual(
      expected,
    );
  });

  test("gives the configuration when it is a FAT disk", async () => {
    const folder = files();
    const file = `${folder}.img`;
    execFileSync("/usr/sbin/mkfs.fat", ["-C", "-n", "CIDATA", file, "1440"]);
    execFileSync("mcopy", ["-i", file, path.join(folder, "user-data"), path.join(folder, "meta-data"), "::"]);
    const drive = ["-drive", `if=none,id=seed,format=raw,file=${file}`];

    expect(await boot({ devices: [...drive, "-device", "nvme,drive=seed,serial=1"] })).toEqual(expected);
  });

  test("with another label is left alone", async () => {
    const file = path.join(host.folder, "other.img");
    execFileSync("/usr/sbin/mkfs.fat", ["-C", "-n", "BACKUP", file, "1440"]);
    const drive = ["-drive", `if=none,id=seed,format=raw,file=${file}`];

    expect(await boot({ devices: [...drive, "-device", "virtio-blk-pci,drive=seed"] })).toEqual([
      "host localhost",
      ...image,
    ]);
  });
});
