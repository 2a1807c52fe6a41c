import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import { Readable } from "node:stream";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ConsoleInput } from "../../provider/src/cli/console.js";
import { guestProgram } from "../support/guest.js";
import { Machine } from "../support/machine.js";
import { runImage } from "../support/run.js";

let machine: Machine;
beforeEach(() => {
  machine = new Machine();
});
afterEach(() => machine.dispose());

describe("names", () => {
  test("are found as in a container, before the network is configured", async () => {
    const spec = { source: { binary: guestProgram("names") }, hostname: "web" };
    const { lines } = await runImage(machine, spec);

    // Where this machine has a name server at an IPv6 address, QEMU advertises one of its own.
    const ofIpv4 = lines.filter((line) => line !== "nameserver fec0::3").map((line) => line.replace(/: 2,/, ": 1,"));
    expect(ofIpv4).toEqual([
      "[/etc/resolv.conf]",
      "nameserver 10.0.2.3",
      "[/etc/hosts]",
      "127.0.0.1\tlocalhost",
      "::1\tip6-localhost ip6-loopback",
      "10.0.2.15\tweb",
      "[/etc/hostname]",
      "web",
      "servers: 1, first 10.0.2.3",
      "localhost: 127.0.0.1",
      "web: 10.0.2.15",
      "queries: 0",
      // The application has put a name server of its own into the file, and another file in the place of the other.
      "example.test: 192.0.2.7",
      "queries: 1",
      "other.test: 192.0.2.8",
      "[/etc/hosts]",
      "192.0.2.8\tother.test",
      "",
    ]);
  });
});

describe("mounts", () => {
  /** A root file system with the program, a file in the way of `/etc/resolv.conf` and a folder `/data` that holds something. */
  function root(...folders: string[]): { directory: string; command: string[] } {
    const directory = path.join(machine.folder, "root");
    mkdirSync(path.join(directory, "data"), { recursive: true });
    mkdirSync(path.join(directory, "etc"));
    symlinkSync("../run/nowhere", path.join(directory, "etc/resolv.conf"));
    copyFileSync(guestProgram("mounts"), path.join(directory, "program"));
    writeFileSync(path.join(directory, "data/file"), "hidden by the mount");
    return { directory, command: ["/program", ...folders] };
  }

  test("are made as the image says, over a root that cannot be written", async () => {
    const { lines } = await runImage(machine, {
      source: root("/", "/etc", "/data", "/new/folder", "/code", "/dev/shm"),
      readOnlyRoot: true,
      tmpfs: [
        { path: "/data", size: 1 << 20, mode: "750", uid: 1000, gid: 1001 },
        { path: "/new/folder" },
        { path: "/code", exec: true, size: 4096 },
        { path: "/dev/shm", size: 8192 },
      ],
    });

    expect(lines.slice(0, 2)).toEqual([
      expect.stringMatching(/^\/: .* ro, EROFS$/),
      expect.stringMatching(/^\/etc: .* ro, EROFS$/),
    ]);
    expect(lines).toContain("/data: mode 750, owner 1000:1001, 1048576 bytes, noexec nosuid nodev, writable");
    expect(lines).toContainEqual(
      expect.stringMatching(/^\/new\/folder: mode 1777, owner 0:0, \d+ bytes, noexec nosuid nodev, writable$/),
    );
    expect(lines).toContain("/code: mode 1777, owner 0:0, 4096 bytes, nosuid nodev, writable");
    expect(lines).toContain("/dev/shm: mode 1777, owner 0:0, 8192 bytes, noexec nosuid nodev, writable");
    expect(lines).toContainEqual(expect.stringMatching(/^\d+ 0 0:\d+ \/ \/ ro,relatime - overlay overlay ro$/));
    expect(lines).toContainEqual(
      expect.stringMatching(/^\d+ \d+ 0:\d+ \/ \/data rw,nosuid,nodev,noexec,relatime - tmpfs tmpfs rw$/),
    );
  });

  test("that the kernel cannot make end the guest with a sentence", async () => {
    const config = { mounts: [{ destination: "/data", type: "tmpfs" as const, options: ["size=1m", "tmpcopyup"] }] };
    const { code, reason } = await runImage(machine, { source: root("/") }, { config });

    expect(code).toBe(255);
    expect(reason).toBe(
      'the kernel failed: the mount at /data has the option "tmpcopyup", which this kernel does not know',
    );
  });
});

test("settings below /proc/sys are root's to write, and have their effect", async () => {
  const { lines } = await runImage(machine, { source: { binary: guestProgram("settings") } });

  expect(lines).toEqual([
    "more than 400 mappings: 1",
    "vm/max_map_count = 500",
    ": written, is 500",
    "no more than 250 pairs of mappings: 1",
    "vm/max_map_count = 262144",
    ": written, is 262144",
    "more than 400 mappings: 1",
    "vm/max_map_count = many: EINVAL, is 262144",
    "vm/max_map_count = -1: EINVAL, is 262144",
    "vm/max_map_count = ",
    ": EINVAL, is 262144",
    "vm/max_map_count = 1 2: EINVAL, is 262144",
    "vm/max_map_count = 2147483648: EINVAL, is 262144",
    "more than 20 connections wait: 1",
    "net/core/somaxconn = 4",
    ": written, is 4",
    "no more than 8 connections wait: 1",
    "kernel/shmmax = 65536: written, is 65536",
    "shmget(IPC_PRIVATE, 65537, 0600) = -1 EINVAL",
    "shmget(IPC_PRIVATE, 65536, 0600) works",
    "kernel/shmall = 1000000: written, is 1000000",
    "kernel/sem = 250 32000 100 128",
    ": written, is 250\t32000\t100\t128",
    "kernel/sem = 250 32000 100: EINVAL, is 250\t32000\t100\t128",
    "kernel/pid_max = 65536: written, is 65536",
    "kernel/pid_max = 300: EINVAL, is 65536",
    "vm/overcommit_memory = 2: written, is 2",
    "vm/overcommit_memory = 3: EINVAL, is 2",
    "vm/swappiness = 10: written, is 10",
    "fs/file-max = 2097152: written, is 2097152",
    "kernel/threads-max = 1: EINVAL, is 32768",
    "vm/max_map_count = 100000: EACCES, is 262144",
    "",
  ]);
});

describe("standard input", () => {
  const attached = { annotations: { "org.pulumi.unikernel.attach-input": "true" } };
  const sum = (bytes: Buffer): string =>
    bytes.reduce((sum, byte) => (sum * 31n + BigInt(byte)) & ((1n << 64n) - 1n), 0n).toString(16);

  test("is empty, and no stream is a terminal", async () => {
    const { lines } = await runImage(machine, { source: { binary: guestProgram("input") } });

    expect(lines).toEqual([
      "0: /dev/null, ENOTTY",
      "1: /dev/console, ENOTTY",
      "2: /dev/console, ENOTTY",
      "ioctl(1, TIOCGWINSZ, &size) = -1 ENOTTY",
      "ioctl(1, TIOCGPGRP, &size) = -1 ENOTTY",
      "tcsetattr(1, TCSANOW, &(struct termios){0}) = -1 ENOTTY",
      'open("/dev/tty", O_RDWR) = -1 ENXIO',
      "poll(&ready, 1, -1) = 1",
      "ready.revents: 1",
      "0 bytes, 0",
      "read(0, buffer, 1) = 0",
      "",
    ]);
  });

  test.each([
    ["nothing", Buffer.alloc(0)],
    ["every byte, more than the kernel keeps", Buffer.from(Array.from({ length: 20_000 }, (_, i) => (i * 7) & 0xff))],
  ])("is the console's when it is attached: %s", async (_, bytes) => {
    const input = Readable.from([bytes]).pipe(new ConsoleInput());
    const { lines } = await runImage(
      machine,
      { source: { binary: guestProgram("input") } },
      { config: attached, input },
    );

    expect(lines[0]).toBe("0: /dev/console, ENOTTY");
    expect(lines).toContain(`${bytes.length} bytes, ${sum(bytes)}`);
    expect(lines).toContain("read(0, buffer, 1) = 0");
  });
});
