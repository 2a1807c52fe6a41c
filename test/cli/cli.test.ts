import { execFile, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parsePublish } from "../../provider/src/cli/run.js";
import { tar } from "../../provider/src/image/testing/oci.js";
import { scriptedGuest, type Step } from "../../provider/src/targets/local/testing/scripted-guest.js";
import { noise } from "../../provider/src/targets/testing/disk.js";
import { Cli, program, type Finished } from "../support/cli.js";
import { BOOT, LISTENING } from "../support/guests.js";
import { Machine } from "../support/machine.js";
import type { Fault } from "../support/operation.js";
import { startRegistry, stepsOf } from "../support/registry.js";
import { STEPS } from "../support/steps.js";

let machine: Machine;
let kernel: string;
beforeEach(() => {
  machine = new Machine();
  kernel = path.join(machine.folder, "kernel.elf");
  mkdirSync(path.join(machine.folder, "rootfs/bin"), { recursive: true });
  writeFileSync(path.join(machine.folder, "rootfs/bin/server"), scriptedGuest("halt"), { mode: 0o755 });
});
afterEach(() => machine.dispose());

/** Starts the command with a kernel that does these steps. */
function start(args: string[], ...steps: Step[]): Cli {
  writeFileSync(kernel, scriptedGuest(...steps));
  return new Cli(machine, args, { env: { UNIKERNEL_KERNEL: kernel } });
}

/** Starts the command so that it fails in this way. */
function startWith(args: string[], fault: Fault): Cli {
  writeFileSync(kernel, scriptedGuest(BOOT, "halt"));
  const faults = path.resolve(import.meta.dirname, "../support/faults.cjs");
  const options = `--require ${JSON.stringify(faults)}`;
  return new Cli(machine, args, {
    env: { UNIKERNEL_KERNEL: kernel, NODE_OPTIONS: options, FAULTS: JSON.stringify(fault) },
  });
}

const run = (args: string[], ...steps: Step[]): Promise<Finished> => start(args, ...steps).finished;
const exit = (code: number): Step[] => [{ status: { event: "exit", code } }, { exit: code }];

/** The guests that run here, and whatever they have left among the temporary files. */
function guests(): unknown[] {
  return [...machine.guests(), ...readdirSync(machine.folder).filter((name) => name.startsWith("unikernel-"))];
}

describe("unikernel run", () => {
  test.each([0, 3, 139])("exits with the application's own status: %i", async (code) => {
    const { code: status, stdout } = await run(
      ["run", "rootfs", "--", "/bin/server"],
      BOOT,
      { console: "working\n" },
      ...exit(code),
    );

    expect(status).toBe(code);
    expect(stdout).toBe("working\n");
    expect(guests()).toEqual([]);
  });

  test("keeps the kernel's lines out of the application's output", async () => {
    const lines = { console: "unikernel: kernel line\nuni\nunikernel: another\nlast" };
    const { stdout, stderr } = await run(["run", "rootfs", "--", "/bin/server"], BOOT, lines, ...exit(0));

    expect(stdout).toBe("uni\nlast");
    expect(stderr).toContain("unikernel: kernel line\nunikernel: another\n");
  });

  test("says why when the kernel fails", async () => {
    const panic = { status: { event: "panic", message: "no root file system", code: 255 } };
    const { code, stderr } = await run(["run", "rootfs", "--", "/bin/server"], BOOT, panic, { exit: 255 });

    expect(code).toBe(255);
    expect(stderr).toContain("unikernel: the kernel failed: no root file system");
  });

  test("runs a disk that was built before", async () => {
    await run(["build", "rootfs", "-o", "web.img", "--", "/bin/server"], "halt");
    const { code } = await run(["run", "web.img", "--", "--port", "80"], BOOT, ...exit(4));

    expect(code).toBe(4);
  });

  test("ends the machine on the second signal, and leaves nothing", async () => {
    const cli = start(["run", "rootfs", "-p", "0:8080", "-v", "--", "/bin/server"], BOOT, LISTENING, "halt");
    await expect.poll(() => cli.stderr).toContain('"listening"');
    cli.child.kill("SIGINT");
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(cli.child.exitCode).toBeNull();
    cli.child.kill("SIGINT");

    expect((await cli.finished).code).toBe(137);
    expect(guests()).toEqual([]);
  });

  test("says who has ended QEMU", async () => {
    const cli = start(["run", "rootfs", "-v", "--", "/bin/server"], BOOT, "halt");
    await expect.poll(() => cli.stderr).toContain('"boot"');
    for (const qemu of machine.guests()) process.kill(qemu, "SIGTERM");

    const { code, stderr } = await cli.finished;
    expect(code).toBe(143);
    expect(stderr).toMatch(new RegExp(`QEMU was ended by signal 15 from pid ${process.pid}`));
  });

  test("leaves no guest when it is killed", async () => {
    const cli = start(["run", "rootfs", "-v", "--", "/bin/server"], BOOT, "halt");
    await expect.poll(() => cli.stderr).toContain('"boot"');
    expect(guests()).toHaveLength(1);
    cli.child.kill("SIGKILL");

    await expect.poll(guests).toEqual([]);
  });

  test("ends with the machine when nobody reads what it says any more", async () => {
    const lines = Array.from({ length: 40 }, () => ({ console: "line\n".repeat(1000) }));
    const cli = start(["run", "rootfs", "--", "/bin/server"], BOOT, ...lines, "halt");
    cli.child.stdout?.once("data", () => cli.child.stdout?.destroy());

    expect((await cli.finished).code).toBe(141);
    await expect.poll(guests).toEqual([]);
  });

  test("does without a standard input", async () => {
    writeFileSync(kernel, scriptedGuest(BOOT, { console: "working\n" }, ...exit(3)));
    const command = `exec ${process.execPath} ${program} run rootfs -- /bin/server <&-`;
    const shell = spawnSync("sh", ["-c", command], {
      cwd: machine.folder,
      env: { ...process.env, ...machine.environment, UNIKERNEL_KERNEL: kernel },
      encoding: "utf8",
    });

    expect(shell).toMatchObject({ status: 3, stdout: "working\n" });
  });

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)("that gets %s before the machine runs ends with %i, and leaves nothing", async (signal, status) => {
    writeFileSync(path.join(machine.folder, "rootfs/bin/large"), Buffer.alloc(200_000_000, 1));
    const cli = start(["run", "rootfs", "--", "/bin/server"], BOOT, "halt");
    const cache = path.join(machine.cacheDir, "v1/tmp");
    await expect.poll(() => existsSync(cache), { interval: 2 }).toBe(true);
    cli.child.kill(signal);

    expect((await cli.finished).code).toBe(status);
    expect(guests()).toEqual([]);
    expect(readdirSync(cache)).toEqual([]);
  });

  test("takes a signal that comes while it starts the machine for the first", async () => {
    const cli = startWith(["run", "rootfs", "-v", "--", "/bin/server"], {
      at: STEPS["starting QEMU in the foreground"],
      how: "SIGINT",
    });
    await expect.poll(() => cli.stderr).toContain('"boot"');
    cli.child.kill("SIGINT");

    expect((await cli.finished).code).toBe(137);
    expect(guests()).toEqual([]);
  });

  test("keeps the environment off the command line", async () => {
    const { stderr } = await run(
      ["run", "rootfs", "-v", "-e", "TOKEN=open-sesame", "--", "/bin/server"],
      BOOT,
      ...exit(0),
    );

    expect(stderr).toContain("-fw_cfg name=opt/org.pulumi.unikernel/config.json");
    expect(stderr).not.toContain("open-sesame");
  });
});

describe("unikernel build and inspect", () => {
  test("tell the same of a disk and of its source", async () => {
    const built = await run(
      ["build", "rootfs", "-o", "web.img", "-e", "COLOR=green", "--", "/bin/server", "--port", "80"],
      "halt",
    );
    const digest = `sha256:${createHash("sha256")
      .update(readFileSync(path.join(machine.folder, "web.img")))
      .digest("hex")}`;
    expect(built).toMatchObject({ code: 0, stdout: expect.stringContaining(digest) as string });

    const disk = JSON.parse((await run(["inspect", "web.img", "--json"], "halt")).stdout) as Disk;
    expect(disk).toMatchObject({ digest, architecture: "x86_64" });
    expect(disk.config.process.args).toEqual(["/bin/server", "--port", "80"]);
    expect(disk.config.process.env).toContain("COLOR=green");
    expect(disk.files.map((file) => file.path)).toContain("/rootfs/bin/server");
  });

  test.each([
    ["pulling", "SIGINT", 130],
    ["unpacking", "SIGTERM", 143],
    ["writing", "SIGINT", 130],
    ["handing the disk over", "SIGTERM", 143],
  ] as const)("ended while %s by %s leave nothing half done, and the next one works", async (step, how, status) => {
    const args = ["build", await startRegistry(machine), "-o", "web.img"];
    expect((await startWith(args, { at: STEPS[step], how }).finished).code).toBe(status);
    expect(readdirSync(machine.folder).filter((name) => name.startsWith("web.img"))).toEqual([]);
    expect(readdirSync(path.join(machine.cacheDir, "v1/tmp"))).toEqual([]);

    expect(await run(args, "halt")).toMatchObject({ code: 0, stdout: expect.stringMatching(/^web\.img: /) as string });
  });

  test("and run tell each step once", async () => {
    const layer = (number: number): Promise<Buffer> =>
      tar([{ name: `data-${number}`, content: noise(1_000_000, number) }]);
    const image = await startRegistry(machine, await Promise.all([1, 2, 3, 4, 5].map(layer)));
    const steps = stepsOf(image);

    const built = await run(["build", image, "-o", "web.img"], "halt");
    expect(built.stderr.split("\n")).toEqual([...steps, ""]);
    rmSync(machine.cacheDir, { recursive: true });
    const ran = await run(["run", image], BOOT, ...exit(0));
    expect(ran.stderr.split("\n")).toEqual([...steps, ""]);
  });

  test("tell the steps on a terminal in one line, which goes when they are done", async () => {
    const image = await startRegistry(machine);
    writeFileSync(kernel, scriptedGuest("halt"));
    const command = `stty cols 200; exec ${process.execPath} ${program} build ${image} -o web.img`;
    const { stdout } = await promisify(execFile)("script", ["--quiet", "--return", "--command", command, "/dev/null"], {
      cwd: machine.folder,
      env: { ...process.env, ...machine.environment, UNIKERNEL_KERNEL: kernel },
    });
    const [before, ...lines] = stdout.split("\r\x1b[K");

    expect(before).toBe("");
    expect(lines.at(-1)).toMatch(/^web\.img: .*, sha256:[0-9a-f]{64}\r\n$/);
    const steps = lines.slice(0, -1).map((line) => line.replace(/ \d+ %$/, ""));
    expect([...new Set(steps)]).toEqual(stepsOf(image));
    expect(lines).toContain(`${stepsOf(image).at(-1)} 100 %`);
  });

  test("ended at once by a second ^C leave no draft of the disk", async () => {
    const stalled = path.join(machine.folder, "stalled");
    const args = ["build", "rootfs", "-o", "web.img", "--", "/bin/server"];
    const cli = startWith(args, { at: STEPS["handing the disk over"], how: "stall", paused: stalled });
    const disks = (): string[] => readdirSync(machine.folder).filter((name) => name.startsWith("web.img"));
    await expect.poll(() => existsSync(stalled)).toBe(true);
    expect(disks()).toEqual([`web.img.${cli.child.pid}`]);
    cli.child.kill("SIGINT");
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(cli.child.signalCode).toBeNull();
    cli.child.kill("SIGINT");

    await cli.finished;
    expect(cli.child.signalCode).toBe("SIGINT");
    expect(disks()).toEqual([]);
  });

  test.each([
    ["web.img", [], "raw"],
    ["web.qcow2", [], "qcow2"],
    ["web.tar.gz", [], "gce-tar"],
    ["web.img", ["--format", "vmdk"], "vmdk"],
    ["web.img", ["-f", "erofs"], "erofs"],
  ])("make of %s with %j a disk in the format %s", async (file, options, format) => {
    const built = await run(["build", "rootfs", "-o", file, ...options, "--", "/bin/server"], "halt");
    expect(built).toMatchObject({ code: 0 });

    const disk = JSON.parse((await run(["inspect", file, "--json"], "halt")).stdout) as Disk;
    expect(disk).toMatchObject({ format });
    expect(disk.config.process.args).toEqual(["/bin/server"]);
  });

  test("run the disk when it is one for this machine, and else say how to get one", async () => {
    await run(["build", "rootfs", "-o", "web.img", "--", "/bin/server"], "halt");
    expect(await run(["run", "web.img"], BOOT, ...exit(0))).toMatchObject({ code: 0 });
    await run(["build", "rootfs", "-o", "web.vmdk", "--", "/bin/server"], "halt");
    const { code, stderr } = await run(["run", "web.vmdk"], BOOT, ...exit(0));
    expect(code).toBe(125);
    expect(stderr).toContain('"web.vmdk" is in the format vmdk, which is for other places than this machine.');
  });

  test("take what becomes part of the image", async () => {
    const options = ["--read-only", "--tmpfs", "/run:size=16m,mode=755", "--tmpfs", "/tmp", "--allow-exec-written"];
    await run(["build", "rootfs", "-o", "web.img", ...options, "--", "/bin/server"], "halt");
    const { config } = JSON.parse((await run(["inspect", "web.img", "--json"], "halt")).stdout) as Disk;

    expect(config).toMatchObject({
      root: { readonly: true },
      mounts: [
        { destination: "/run", options: ["nosuid", "nodev", "noexec", "size=16777216", "mode=755"] },
        { destination: "/tmp", options: ["nosuid", "nodev", "noexec"] },
      ],
      annotations: { "org.pulumi.unikernel.allow-exec-written": "true" },
    });
    const again = await run(["run", "web.img", "--read-only"], "halt");
    expect(again).toMatchObject({ code: 2, stderr: expect.stringContaining('"web.img" is a disk already') as string });
  });

  test("read well", async () => {
    const { stdout } = await run(["inspect", "rootfs", "--", "/bin/server", "two words"], "halt");

    expect(stdout).toMatch(/^Command +\/bin\/server 'two words'$/m);
    expect(stdout).toMatch(/^Memory +[\d.]+ MiB at least$/m);
    expect(stdout).toMatch(/^ +[\d.]+ KiB {2}\/bin\/server$/m);
  });

  interface Disk {
    digest: string;
    format: string;
    config: { process: { args: string[]; env: string[] } };
    files: { path: string }[];
  }
});

describe("a command line that is wrong is told in one sentence", () => {
  test.each([
    [["rum", "web"], 2, 'There is no command "rum". Did you mean "run"?'],
    [["run"], 2, "What is to be run? Give a SOURCE."],
    [["run", "rootfs"], 2, '"rootfs" is a folder: say what to run in it after two dashes'],
    [["run", "rootfs"], 2, "mean the image of that name in a registry, write it out: docker.io/library/rootfs."],
    [["run", "./nothing"], 125, 'There is no "./nothing".'],
    [["run", "rootfs", "-e", "NOT_HERE", "--", "/bin/server"], 125, "no environment variable NOT_HERE here to pass on"],
    [["run", "rootfs", "-e", "=x", "--", "/bin/server"], 2, '"=x" is no environment variable: write KEY=VALUE.'],
    [["run", "notes.txt"], 125, '"notes.txt" is nothing that can be run'],
    [["run", "main.ts"], 2, '"main.ts" needs a Node.js to run on'],
    [["run", "rootfs", "second"], 2, 'There is a second SOURCE, "second".'],
    [["run", "rootfs", "-p", "http", "--", "/bin/server"], 2, '"http" is no port mapping'],
    [
      ["run", "rootfs", "-p", "80", "-p", "80:81", "--", "/bin/server"],
      125,
      "Port 80/tcp of this machine is listed twice.",
    ],
    [["run", "rootfs", "-m", "lots", "--", "/bin/server"], 2, '"lots" is no amount of memory'],
    [
      ["run", "rootfs", "-m", "1 MiB", "--", "/bin/server"],
      125,
      "1 MiB of memory is too small for this image: it needs at least",
    ],
    [["run", "rootfs", "-c", "9", "--", "/bin/server"], 2, '"9" is no number of processors from 1 to 8.'],
    [["run", "rootfs", "-t", "--", "/bin/server"], 2, "standard input is no terminal"],
    [["run", "rootfs", "--machine", "q34", "--", "/bin/server"], 2, 'There is no machine "q34"'],
    [["run", "rootfs", "--colour", "--", "/bin/server"], 2, "Unknown option '--colour'."],
    [["run", "rootfs", "--tmpfs", "/run:colour=red", "--", "/bin/server"], 2, '"colour=red" is no option of a tmpfs'],
    [["run", "rootfs", "--tmpfs", "/run:size=lots", "--", "/bin/server"], 2, '"lots" is no size of a tmpfs'],
    [["run", "rootfs", "--tmpfs", "run", "--", "/bin/server"], 125, 'A tmpfs cannot be mounted at "run"'],
    [["build", "rootfs", "--", "/bin/server"], 2, "Where is the disk to go?"],
    [["build", "rootfs", "-o", "disk", "-f", "vdi", "--", "/bin/server"], 2, 'There is no disk format "vdi"'],
    [
      ["build", "rootfs", "-o", "no/folder.img", "--", "/bin/server"],
      1,
      'The disk cannot be written to "no/folder.img"',
    ],
    [["inspect", "./nothing"], 1, 'There is no "./nothing".'],
  ])("%j", async (args, status, sentence) => {
    writeFileSync(path.join(machine.folder, "notes.txt"), "milk, eggs\n");
    writeFileSync(path.join(machine.folder, "main.ts"), "console.log(1);\n");
    const { code, stdout, stderr } = await run(args, BOOT, ...exit(0));

    expect(stderr).toMatch(/^unikernel: /m);
    expect(stderr).toContain(sentence);
    expect(code).toBe(status);
    expect(stdout).toBe("");
    expect(stderr).not.toContain("    at ");
  });
});

describe("a port mapping", () => {
  test.each([
    ["8080", "tcp:127.0.0.1:8080-:8080"],
    ["8080:80", "tcp:127.0.0.1:8080-:80"],
    ["127.0.0.2:8080:80", "tcp:127.0.0.2:8080-:80"],
    ["8080:80/udp", "udp:127.0.0.1:8080-:80"],
    ["8080/udp", "udp:127.0.0.1:8080-:8080"],
  ])("%s is what QEMU calls %s", (text, forward) => {
    const { protocol, hostAddress, host, guest } = parsePublish(text);

    expect(`${protocol}:${hostAddress}:${host}-:${guest}`).toBe(forward);
  });

  test.each(["", "http", "80:", ":80", "1:2:3:4", "80/sctp", "70000", "80:0", "256.0.0.1:80:80", "[::1]:80:80"])(
    "%j is none",
    (text) => expect(() => parsePublish(text)).toThrow("is no port mapping"),
  );
});

test.each([[["--help"]], [["run", "--help"]], [["help", "build"]]])("%j shows how to use it", async (args) => {
  const { code, stdout } = await run(args, "halt");

  expect(code).toBe(0);
  expect(stdout).toContain("Usage:");
  for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(120);
});

test("npx finds the command in the checkout", () => {
  const npx = spawnSync("npx", ["--no-install", "unikernel", "--help"], {
    cwd: path.resolve(import.meta.dirname, "../.."),
    encoding: "utf8",
  });

  expect(npx).toMatchObject({ status: 0, stdout: expect.stringContaining("unikernel run") as string });
});
