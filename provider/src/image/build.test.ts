import { execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { build as bundleJavaScript } from "esbuild";
import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { buildImage, openImage } from "./build.js";
import { inspectDisk } from "./inspect.js";
import { buildContext } from "./testing/context.js";
import { elf } from "./testing/elf.js";
import { tar, writeLayout } from "./testing/oci.js";
import { temporaryDirectory } from "./testing/temporary.js";
import { extract, fsck, listFolder } from "./testing/trees.js";
import type { BuildContext, BuiltImage, Progress } from "./types.js";

const isRoot = process.getuid?.() === 0;

/** A folder with the root file system `root`, and a context to build it in. */
function project(files: Record<string, string | Buffer> = { app: elf() }): BuildContext & { cacheDir: string } {
  const context = buildContext();
  mkdirSync(join(context.baseDir, "root"));
  for (const [name, content] of Object.entries(files)) {
    const path = join(context.baseDir, "root", name);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, content);
    chmodSync(path, 0o755);
  }
  return context;
}

const APP = { directory: "root", command: ["/app"] };

afterEach(() => vi.unstubAllEnvs());

describe("an image", () => {
  test("of a directory holds its files and what starts them", async () => {
    const context = project({
      "bin/app": elf(),
      "etc/passwd": "root:x:0:0::/root:\nweb:x:33:34::/var/www:\n",
      "etc/group": "extra:x:50:web\n",
    });
    const root = join(context.baseDir, "root");
    symlinkSync("bin/app", join(root, "start"));
    linkSync(join(root, "bin/app"), join(root, "bin/app2"));
    execFileSync("mkfifo", [join(root, "pipe")]);
    chmodSync(join(root, "bin"), 0o2711);

    const image = await buildImage(
      {
        source: { directory: "root", command: ["start", "--flag"] },
        env: { B: "2", PATH: "/:/bin" },
        args: ["arg"],
        workingDir: "/etc",
        user: "web",
        hostname: "guest",
      },
      context,
    );
    expect(image.command).toEqual(["start", "--flag", "arg"]);
    expect(image.config).toEqual({
      ociVersion: "1.2.0",
      process: {
        args: ["start", "--flag", "arg"],
        env: ["PATH=/:/bin", "HOME=/var/www", "B=2"],
        cwd: "/etc",
        user: { uid: 33, gid: 34, additionalGids: [50] },
      },
      root: { path: "rootfs" },
      hostname: "guest",
    });
    expect(image.size).toBe(statSync(image.disk).size);
    fsck(image.disk);
    const target = join(temporaryDirectory(), "out");
    extract(image.disk, target);
    expect(JSON.parse(readFileSync(join(target, "config.json"), "utf8"))).toEqual(image.config);
    const found = listFolder(join(target, "rootfs"));
    expect(Object.keys(found)).toEqual(Object.keys(listFolder(root)));
    expect(found["/bin/app"]).toMatchObject({ mode: 0o755, content: elf().toString("latin1"), mtime: 315_532_800 });
    expect(found["/pipe"]?.type).toBe("fifo");
  });

  test("has its working directory, which is made where it is missing", async () => {
    const context = project({ app: elf(), "data/kept": "" });
    symlinkSync("data", join(context.baseDir, "root/link"));
    const folders = async (workingDir: string): Promise<[string, object][]> => {
      const image = await buildImage({ source: APP, user: "5:6", workingDir }, context);
      expect(image.config.process.cwd).toBe(workingDir);
      const target = join(temporaryDirectory(), "out");
      extract(image.disk, target);
      return Object.entries(listFolder(join(target, "rootfs"))).filter(([, { type }]) => type === "directory");
    };
    const made = { mode: 0o755, mtime: 315_532_800, ...(isRoot && { uid: 0, gid: 0 }) };

    expect(await folders("/srv/./app/")).toEqual([
      ["/data", expect.anything()],
      ["/srv", expect.objectContaining(made)],
      ["/srv/app", expect.objectContaining(made)],
    ]);
    expect(await folders("/link/work")).toEqual([
      ["/data", expect.anything()],
      ["/data/work", expect.objectContaining(made)],
    ]);
  });

  test("keeps names that are not UTF-8", async () => {
    const context = project();
    const name = Buffer.from([0xff, 0x2d, 0xe9]);
    writeFileSync(Buffer.concat([Buffer.from(`${context.baseDir}/root/`), name]), "x".repeat(5000));
    const image = await buildImage({ source: APP }, context);
    const target = join(temporaryDirectory(), "out");
    extract(image.disk, target);
    expect(listFolder(join(target, "rootfs"))[`/${name.toString("latin1")}`]?.content).toBe("x".repeat(5000));
  });

  test("is the same whatever machine, umask, time or cache it is built with", async () => {
    const one = project({ app: elf(), "lib/data": "x".repeat(10_000), "lib/more": "y" });
    const image = await buildImage({ source: APP, env: { A: "1", B: "2" } }, one);

    vi.stubEnv("TZ", "Pacific/Auckland");
    const two = buildContext();
    cpSync(join(one.baseDir, "root"), join(two.baseDir, "root"), { recursive: true });
    chmodSync(join(two.baseDir, "root/lib"), 0o775);
    utimesSync(join(two.baseDir, "root/app"), 1, 1);
    const same = await buildImage({ source: APP, env: { B: "2", A: "1" } }, two);
    expect(same.digest).toBe(image.digest);
    expect(readFileSync(same.disk).equals(readFileSync(image.disk))).toBe(true);

    const other = await buildImage({ source: APP }, { ...two, kernel: { path: "/bin/false", version: "1" } });
    expect(other.digest).not.toBe((await buildImage({ source: APP }, two)).digest);
    expect(other.disk).toBe((await buildImage({ source: APP }, two)).disk);
  });

  test("changes when a file changes, even within one tick of the clock", async () => {
    const context = project({ app: elf(), data: "1" });
    const digests = new Set<string>();
    for (const content of ["1", "2", "3", "4"]) {
      writeFileSync(join(context.baseDir, "root/data"), content);
      digests.add((await buildImage({ source: APP }, context)).digest);
    }
    expect(digests.size).toBe(4);
  });

  test("that has not changed is not written again", async () => {
    const context = project();
    const steps: Progress["step"][] = [];
    const watched = { ...context, progress: ({ step }: Progress) => void steps.push(step) };
    const image = await buildImage({ source: APP }, watched);
    expect(steps).toContain("write");
    const written = statSync(image.disk).mtimeMs;
    steps.length = 0;
    expect(await buildImage({ source: APP }, watched)).toEqual(image);
    expect(steps).toEqual([]);
    expect(statSync(image.disk).mtimeMs).toBe(written);
  });

  test("is found again by its digest, until its disk is gone", async () => {
    const context = project();
    const image = await buildImage({ source: APP }, context);
    expect(await openImage(image.digest, context)).toEqual(image);
    expect(await openImage(`sha256:${"0".repeat(64)}`, context)).toBeUndefined();
    rmSync(join(image.disk, ".."), { recursive: true });
    expect(await openImage(image.digest, context)).toBeUndefined();
    expect(await buildImage({ source: APP }, context)).toEqual(image);
  });

  test("can be inspected", async () => {
    const image = await buildImage({ source: APP }, project({ app: elf(), "etc/motd": "hello" }));
    const description = await inspectDisk(image.disk);
    expect(description).toMatchObject({ size: image.size, architecture: "x86_64", config: image.config });
    expect(description.digest).toBe(
      `sha256:${execFileSync("sha256sum", [image.disk], { encoding: "utf8" }).slice(0, 64)}`,
    );
    expect(description.files.map(({ path }) => path)).toEqual([
      "/config.json",
      "/rootfs",
      "/rootfs/app",
      "/rootfs/etc",
      "/rootfs/etc/motd",
    ]);
    const text = join(temporaryDirectory(), "text");
    writeFileSync(text, "x".repeat(5000));
    await expect(inspectDisk(text)).rejects.toThrow(`"${text}" is not a disk of unikernel's.`);
    await expect(inspectDisk("/nowhere")).rejects.toThrow('There is no disk "/nowhere".');
  });

  test("of a container runs as the container says, with the user's wishes over it", async () => {
    const context = buildContext();
    const layers = [
      await tar([
        { name: "srv/", type: "directory" },
        { name: "app", content: elf(), mode: 0o755 },
      ]),
    ];
    const config = {
      Entrypoint: ["/app"],
      Cmd: ["serve"],
      Env: ["A=1", "PATH=/x"],
      User: "5",
      WorkingDir: "/srv",
      StopSignal: "SIGINT",
      ExposedPorts: { "80/tcp": {} },
    };
    writeLayout(join(context.baseDir, "image"), { layers, config });
    const source = { container: "./image" };
    const image = await buildImage({ source }, context);
    expect(image.config.process).toEqual({
      args: ["/app", "serve"],
      env: ["PATH=/x", "HOME=/", "A=1"],
      cwd: "/srv",
      user: { uid: 5, gid: 0 },
    });
    expect(image.config.annotations?.["org.opencontainers.image.stopSignal"]).toBe("SIGINT");
    expect(image.exposedPorts).toEqual(["80/tcp"]);
    writeLayout(join(context.baseDir, "odd"), { layers, config: { ...config, StopSignal: "SIGSTOPPED" } });
    await expect(buildImage({ source: { container: "./odd" } }, context)).rejects.toThrow(
      'The image\'s stop signal "SIGSTOPPED" is not a signal of Linux.',
    );
    expect((await buildImage({ source, args: ["x"] }, context)).command).toEqual(["/app", "x"]);
    expect((await buildImage({ source, command: ["/app", "y"] }, context)).command).toEqual(["/app", "y"]);
    const changed = await buildImage({ source, env: { A: "2" }, user: "6:7", workingDir: "/" }, context);
    expect(changed.config.process).toMatchObject({
      env: ["PATH=/x", "HOME=/", "A=2"],
      cwd: "/",
      user: { uid: 6, gid: 7 },
    });
  });

  test("says what is mounted, what cannot be written and what may be executed", async () => {
    const context = project();
    const plain = await buildImage({ source: APP }, context);
    const image = await buildImage(
      {
        source: APP,
        readOnlyRoot: true,
        allowExecWritten: true,
        tmpfs: [{ path: "/run/" }, { path: "/var/cache", size: 1 << 20, mode: "750", uid: 33, gid: 0, exec: true }],
      },
      context,
    );

    expect(plain.config).not.toHaveProperty("mounts");
    expect(plain.config.root).toEqual({ path: "rootfs" });
    expect(image.config.root).toEqual({ path: "rootfs", readonly: true });
    expect(image.config.annotations).toEqual({ "org.pulumi.unikernel.allow-exec-written": "true" });
    expect(image.config.mounts).toEqual([
      { destination: "/run", type: "tmpfs", source: "tmpfs", options: ["nosuid", "nodev", "noexec"] },
      {
        destination: "/var/cache",
        type: "tmpfs",
        source: "tmpfs",
        options: ["nosuid", "nodev", "exec", "size=1048576", "mode=750", "uid=33", "gid=0"],
      },
    ]);
    expect(image.digest).not.toBe(plain.digest);
  });

  test.each([
    [{ path: "run" }, 'A tmpfs cannot be mounted at "run": write an absolute path'],
    [{ path: "/a/../b" }, 'A tmpfs cannot be mounted at "/a/../b": write an absolute path'],
    [{ path: "/" }, 'A tmpfs cannot be mounted at "/": what lies there is the kernel\'s own.'],
    [{ path: "/proc/self" }, 'A tmpfs cannot be mounted at "/proc/self": what lies there is the kernel\'s own.'],
    [{ path: "/run", mode: "rwx" }, '"rwx" is no mode for the tmpfs at "/run"'],
    [{ path: "/run", size: 0.5 }, 'The size of the tmpfs at "/run" is 0.5'],
    [{ path: "/run", uid: -1 }, 'The uid of the tmpfs at "/run" is -1'],
  ])("refuses a mount that cannot be: %j", async (mount, sentence) => {
    await expect(buildImage({ source: APP, tmpfs: [mount] }, project())).rejects.toThrow(sentence);
  });

  test("says how much memory it needs at the least", async () => {
    const context = project();
    const { minimumMemory } = await buildImage({ source: APP }, context);
    expect(minimumMemory).toBeGreaterThanOrEqual(2 * 1024 ** 2);
    expect(minimumMemory).toBeLessThan(6 * 1024 ** 2);
    expect(minimumMemory % 1024 ** 2).toBe(0);
  });
});

describe("a command that cannot run is refused with a sentence:", () => {
  const refused = async (
    files: Record<string, string | Buffer>,
    command: string[],
    options: { user?: string } = {},
  ): Promise<string> =>
    buildImage({ source: { directory: "root", command }, ...options }, project(files)).then(
      () => "built",
      (error: Error) => `${error.name}: ${error.message}`,
    );

  test("none at all", async () => {
    expect(await refused({ app: elf() }, [])).toBe(
      'VisibleError: The source directory "root" needs a command to run in it.',
    );
    const context = buildContext();
    writeLayout(join(context.baseDir, "image"), {
      layers: [await tar([{ name: "app", content: elf(), mode: 0o755 }])],
    });
    await expect(buildImage({ source: { container: "./image" } }, context)).rejects.toThrow(
      "The image has no command to run: it has neither an entrypoint nor a command of its own. Give one with `command`.",
    );
  });

  test("one that is not there", async () => {
    expect(await refused({ app: elf() }, ["/other"])).toBe(
      'VisibleError: The command "/other" is not in the image: there is no "/other".',
    );
    expect(await refused({ app: elf() }, ["other"])).toMatch(
      /^VisibleError: The command "other" is not in the image: no folder of its PATH \(.*\) has it\.$/,
    );
    const context = project();
    symlinkSync("nowhere", join(context.baseDir, "root/link"));
    symlinkSync("loop", join(context.baseDir, "root/loop"));
    for (const name of ["/link", "/loop"]) {
      await expect(buildImage({ source: { directory: "root", command: [name] } }, context)).rejects.toThrow(
        `The command "${name}" is not in the image`,
      );
    }
  });

  test("one that is not executable", async () => {
    const context = project({ app: elf(), "usr/bin/tool": elf() });
    chmodSync(join(context.baseDir, "root/app"), 0o644);
    await expect(buildImage({ source: APP }, context)).rejects.toThrow(
      'The command "/app" cannot be run: "/app" (mode 0644, owner 0:0) is not executable for user 0. Run chmod +x on it.',
    );
    chmodSync(join(context.baseDir, "root/usr/bin/tool"), 0o700);
    await expect(buildImage({ source: { directory: "root", command: ["tool"] }, user: "5" }, context)).rejects.toThrow(
      "is not executable for user 5",
    );
    await expect(buildImage({ source: { directory: "root", command: ["/usr"] } }, context)).rejects.toThrow(
      '"/usr" is a directory',
    );
  });

  test.each([
    ["5:5", 0o700, 5, 0, true],
    ["5:5", 0o077, 5, 0, false],
    ["6:7", 0o070, 5, 7, true],
    ["6:7", 0o707, 5, 7, false],
    ["6:8", 0o001, 5, 7, true],
    ["6:8", 0o770, 5, 7, false],
    ["0:0", 0o001, 5, 7, true],
    ["0:0", 0o666, 5, 7, false],
  ])("user %s, mode %o, owner %i:%i: runs %s", async (user, mode, uid, gid, runs) => {
    const context = buildContext();
    const layers = [await tar([{ name: "app", content: elf(), mode, uid, gid }])];
    writeLayout(join(context.baseDir, "image"), { layers, config: { Cmd: ["/app"] } });
    const built = buildImage({ source: { container: "./image" }, user }, context);
    if (runs) expect((await built).command).toEqual(["/app"]);
    else await expect(built).rejects.toThrow(`is not executable for user ${user.split(":")[0]}`);
  });

  test("no program", async () => {
    expect(await refused({ app: "just text" }, ["/app"])).toContain(
      '"/app" is neither an ELF program nor a script that begins with #!.',
    );
    expect(await refused({ app: elf({ machine: 183 }) }, ["/app"])).toContain(
      '"/app" is an ELF file for 64-bit Arm (aarch64); only x86-64 runs.',
    );
    expect(await refused({ app: elf({ bits: 32 }) }, ["/app"])).toContain(
      '"/app" is a 32-bit ELF file; only 64-bit x86-64 runs.',
    );
    expect(await refused({ app: elf().subarray(0, 90) }, ["/app"])).toContain(
      '"/app" is an ELF file that is cut short.',
    );
  });

  test("a script or program without its interpreter", async () => {
    expect(await refused({ app: "#!/usr/bin/ruby -w\n" }, ["/app"])).toBe(
      'VisibleError: The interpreter "/usr/bin/ruby" of the script "/app" is not in the image: there is no "/usr/bin/ruby".',
    );
    expect(await refused({ app: "#!/usr/bin/env ruby\n", "usr/bin/env": elf() }, ["/app"])).toBe(
      'VisibleError: The script "/app" wants "ruby", which is not in the image: no folder of its PATH has it.',
    );
    expect(await refused({ app: "#!/app\n" }, ["/app"])).toContain(
      "its interpreters are scripts of scripts without end",
    );
    expect(await refused({ app: elf({ interpreter: "/lib64/ld-linux-x86-64.so.2" }) }, ["/app"])).toBe(
      'VisibleError: The command "/app" cannot be run: "/app" wants the dynamic loader "/lib64/ld-linux-x86-64.so.2", which is not in the image.',
    );
    expect(await refused({ app: "#! /bin/tool x\n", "bin/tool": elf() }, ["/app"])).toBe("built");
  });

  test("a program without a library", async () => {
    const interpreter = "/lib/ld.so";
    const files = {
      app: elf({ interpreter, needed: ["libone.so", "ld.so"] }),
      "lib/ld.so": elf({ type: 3 }),
      "opt/libone.so": elf({ type: 3, needed: ["libtwo.so"] }),
    };
    expect(await refused(files, ["/app"])).toBe(
      'VisibleError: The command cannot be run: the library "/opt/libone.so" needs the library "libtwo.so", which is nowhere in the image.',
    );
    expect(await refused({ ...files, "anywhere/libtwo.so": "text" }, ["/app"])).toContain("libtwo.so");
    expect(await refused({ ...files, "anywhere/libtwo.so": elf({ type: 3, needed: ["libone.so"] }) }, ["/app"])).toBe(
      "built",
    );
    expect(await refused({ ...files, "other/libone.so": elf({ type: 3 }) }, ["/app"])).toBe("built");
  });

  test("an unknown user, folder or variable", async () => {
    expect(await refused({ app: elf() }, ["/app"], { user: "web" })).toContain(
      'The user "web" that the image is to run as is not in its /etc/passwd.',
    );
    expect(await refused({ app: elf() }, ["/app"], { user: "0:web" })).toContain(
      'The group "web" that the image is to run as is not in its /etc/group.',
    );
    await expect(buildImage({ source: APP, workingDir: "relative" }, project())).rejects.toThrow(
      'The working directory "relative" is not an absolute path.',
    );
    for (const [workingDir, place] of [
      ["/app", "/app"],
      ["/app/below", "/app"],
      ["/dangling/below", "/dangling"],
    ] as const) {
      const context = project();
      symlinkSync("nowhere", join(context.baseDir, "root/dangling"));
      await expect(buildImage({ source: APP, workingDir }, context)).rejects.toThrow(
        `The working directory "${workingDir}" cannot be used: "${place}" is in the image and is not a directory.`,
      );
    }
    await expect(buildImage({ source: APP, env: { "A=B": "" } }, project())).rejects.toThrow(
      '"A=B" cannot be the name of an environment variable',
    );
  });
});

describe("a build", () => {
  test("whose source does not exist, or is something else, is refused with a sentence", async () => {
    const context = project();
    await expect(buildImage({ source: { directory: "nowhere", command: ["x"] } }, context)).rejects.toThrow(
      `The source directory "nowhere" does not exist (looked for "${join(context.baseDir, "nowhere")}").`,
    );
    await expect(buildImage({ source: { directory: "root/app", command: ["x"] } }, context)).rejects.toThrow(
      "is not a directory",
    );
    await expect(
      buildImage({ source: APP }, { ...context, kernel: { path: "/nowhere/kernel.elf", version: "1" } }),
    ).rejects.toThrow('The kernel is missing: there is no "/nowhere/kernel.elf".');
  });

  test("that is aborted leaves nothing", async () => {
    const context = project({ app: elf(), data: Buffer.alloc(30_000_000, 1) });
    const reason = new Error("enough");
    const controller = new AbortController();
    const watched = { ...context, signal: controller.signal, progress: () => controller.abort(reason) };
    await expect(buildImage({ source: APP }, watched)).rejects.toBe(reason);
    expect(readdirSync(join(context.cacheDir, "v1/tmp"))).toEqual([]);
    expect(readdirSync(join(context.cacheDir, "v1/disks"))).toEqual([]);
    await buildImage({ source: APP }, context);
  });

  test("notices that a file changes while it is being copied", async () => {
    const context = project({ app: elf(), data: "1" });
    const data = join(context.baseDir, "root/data");
    const watched = {
      ...context,
      progress: ({ step, bytes }: Progress) => {
        if (step === "write" && !bytes) writeFileSync(data, "2");
      },
    };
    await expect(buildImage({ source: APP }, watched)).rejects.toThrow(
      `"${data}" changed while the image was being built. Build again when nothing writes to it.`,
    );
    await buildImage({ source: APP }, context);
  });

  test("can be killed at any moment, and the next one just works", { timeout: 60_000 }, async () => {
    const context = buildContext();
    const noise = execFileSync("head", ["-c", "20000000", "/dev/urandom"], { maxBuffer: 3e7 });
    const layers = [
      await tar([
        { name: "app", content: elf(), mode: 0o755 },
        { name: "noise", content: noise },
      ]),
    ];
    writeLayout(join(context.baseDir, "image"), { layers, config: { Cmd: ["/app"] } });
    const spec = { source: { container: "./image" } };
    const program = join(temporaryDirectory(), "build.cjs");
    await bundleJavaScript({
      entryPoints: [join(__dirname, "build.ts")],
      outfile: program,
      bundle: true,
      platform: "node",
      external: ["esbuild"],
    });
    const script = `require(${JSON.stringify(program)}).buildImage(${JSON.stringify(spec)}, ${JSON.stringify(context)}).then(() => console.log("built"))`;
    let finished = 0;
    for (let milliseconds = 60; finished === 0 && milliseconds < 5000; milliseconds += 40) {
      const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
      child.stdout.on("data", () => finished++);
      const ended = new Promise((resolve) => child.on("exit", resolve));
      await Promise.race([delay(milliseconds), ended]);
      child.kill("SIGKILL");
      await ended;
    }
    expect(finished).toBe(1);
    const image = await buildImage(spec, context);
    fsck(image.disk);
    expect((await inspectDisk(image.disk)).digest).toBe(
      (await inspectDisk((await buildImage(spec, { ...context, cacheDir: temporaryDirectory() })).disk)).digest,
    );
    expect(readdirSync(join(context.cacheDir, "v1/tmp"))).toEqual([]);
  });

  test("runs twice at the same time", { timeout: 60_000 }, async () => {
    const context = project({ app: elf(), data: Buffer.alloc(8_000_000, 1) });
    const program = join(temporaryDirectory(), "build.cjs");
    await bundleJavaScript({
      entryPoints: [join(__dirname, "build.ts")],
      outfile: program,
      bundle: true,
      platform: "node",
      external: ["esbuild"],
    });
    const script = `require(${JSON.stringify(program)}).buildImage(${JSON.stringify({ source: APP })}, ${JSON.stringify(context)}).then((image) => console.log(image.digest))`;
    const run = async (): Promise<string> => {
      const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
      let output = "";
      child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
      await new Promise((resolve) => child.on("close", resolve));
      return output;
    };
    const digests = await Promise.all([run(), run(), run()]);
    expect(new Set(digests).size).toBe(1);
    expect(digests[0]).toMatch(/^sha256:/);
    expect(readdirSync(join(context.cacheDir, "v1/tmp"))).toEqual([]);
  });

  test.skipIf(!isRoot)("on a full disk says so, and works once there is room", async () => {
    const context = project({ app: elf(), data: Buffer.alloc(6_000_000, 1) });
    const small = temporaryDirectory();
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", small]);
    onTestFinished(() => void execFileSync("umount", [small]));
    const full = { ...context, cacheDir: small };
    await expect(buildImage({ source: APP }, full)).rejects.toThrow(
      `The disk that holds the cache is full. Free some space, or remove "${join(small, "v1")}" and build again.`,
    );
    expect(readdirSync(join(small, "v1/tmp"))).toEqual([]);
    const layers = [
      await tar([
        { name: "app", content: elf(), mode: 0o755 },
        { name: "data", content: Buffer.alloc(6_000_000) },
      ]),
    ];
    writeLayout(join(context.baseDir, "image"), { layers, config: { Cmd: ["/app"] } });
    await expect(buildImage({ source: { container: "./image" } }, full)).rejects.toThrow(
      "The disk that holds the cache is full.",
    );
    execFileSync("mount", ["-o", "remount,size=40m", small]);
    fsck((await buildImage({ source: APP }, full)).disk);
  });

  test.skipIf(!isRoot)("on a full disk takes the place of what nobody used for an hour", async () => {
    const small = temporaryDirectory();
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=10m", "tmpfs", small]);
    onTestFinished(() => void execFileSync("umount", [small]));
    const build = async (fill: number): Promise<BuiltImage> => {
      const context = project({ app: elf(), data: Buffer.alloc(6_000_000, fill) });
      return buildImage({ source: APP }, { ...context, cacheDir: small });
    };
    const first = await build(1);
    await expect(build(2)).rejects.toThrow("The disk that holds the cache is full.");
    expect(existsSync(first.disk)).toBe(true);
    const entries = ["disks", "results"].flatMap((section) =>
      readdirSync(join(small, "v1", section)).map((name) => join(small, "v1", section, name)),
    );
    const used = new Date(Date.now() - 61 * 60_000);
    for (const entry of entries) utimesSync(entry, used, used);
    fsck((await build(2)).disk);
    expect(existsSync(first.disk)).toBe(false);
  });
});
