import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { buildImage } from "../build.js";
import { buildContext } from "../testing/context.js";
import { elf } from "../testing/elf.js";
import { temporaryDirectory } from "../testing/temporary.js";
import { extract } from "../testing/trees.js";
import { tryReadElf } from "./host-elf.js";
import { findLibraries } from "./libraries.js";

const isRoot = process.getuid?.() === 0;

/** A host of the test's own: a folder with these files. */
function host(files: Record<string, string | Buffer>): string {
  const root = temporaryDirectory();
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return root;
}

/** The paths in the image of what a program needs, and the folders its loader must be told of. */
function find(
  files: Record<string, string | Buffer>,
  program: string,
): { paths: string[]; configuredFolders: string[] } {
  const root = host(files);
  const hostPath = join(root, program);
  const parsed = tryReadElf(hostPath);
  if (!parsed) throw new Error("not an ELF file");
  const { files: found, configuredFolders } = findLibraries(
    { hostPath, imagePath: `/usr/local/bin/app` },
    parsed,
    root,
  );
  return { paths: found.map(({ imagePath }) => imagePath), configuredFolders };
}

const GLIBC = "/lib64/ld-linux-x86-64.so.2";
const MUSL = "/lib/ld-musl-x86_64.so.1";

describe("the libraries of a program", () => {
  test.each(["/bin/ls", "/usr/bin/python3", "/usr/bin/gcc", "/usr/bin/skopeo"])(
    "%s are those that ld.so loads",
    (program) => {
      const parsed = tryReadElf(program);
      if (!parsed) throw new Error("not an ELF file");
      const { files } = findLibraries({ hostPath: program, imagePath: "/app" }, parsed);
      const found = files
        .map(({ hostPath }) => hostPath)
        .filter((path) => !path.includes("libgcc_s") && path !== GLIBC);
      const loaded = [...execFileSync(GLIBC, ["--list", program], { encoding: "utf8" }).matchAll(/=> (\S+)/g)].map(
        ([, path]) => path ?? "",
      );
      expect(found.sort()).toEqual(loaded.filter((path) => !path.includes("libgcc_s") && path !== GLIBC).sort());
    },
  );

  test("are looked for in RPATH, RUNPATH, the configured folders and the default ones", () => {
    const files = {
      "app/bin/app": elf({
        interpreter: GLIBC,
        needed: ["liborigin.so", "libconf.so", "libdefault.so"],
        runpath: "$ORIGIN/../lib:/opt/${LIB}",
      }),
      "app/lib/liborigin.so": elf({ type: 3, needed: ["libnext.so"], runpath: "${ORIGIN}" }),
      "app/lib/libnext.so": elf({ type: 3 }),
      "etc/ld.so.conf": "# comment\ninclude /etc/ld.so.conf.d/*.conf\n",
      "etc/ld.so.conf.d/a.conf": "/opt/conf/lib\n",
      "opt/conf/lib/libconf.so": elf({ type: 3 }),
      "usr/lib/libdefault.so": elf({ type: 3 }),
      // Passed over: for another machine.
      "lib/libdefault.so": elf({ type: 3, machine: 183 }),
      "opt/lib64/libdefault.so": "text",
      [GLIBC]: elf({ type: 3 }),
    };
    expect(find(files, "app/bin/app")).toEqual({
      paths: [
        GLIBC,
        "/usr/local/lib/liborigin.so",
        "/opt/conf/lib/libconf.so",
        "/usr/lib/libdefault.so",
        "/usr/local/lib/libnext.so",
      ],
      configuredFolders: ["/opt/conf/lib"],
    });
  });

  test("RPATH serves a library's libraries, RUNPATH does not", () => {
    const files = (kind: "rpath" | "runpath"): Record<string, Buffer> => ({
      app: elf({ interpreter: GLIBC, needed: ["liba.so"], [kind]: "/private" }),
      "private/liba.so": elf({ type: 3, needed: ["libb.so"] }),
      "private/libb.so": elf({ type: 3 }),
      [GLIBC]: elf({ type: 3 }),
    });
    expect(find(files("rpath"), "app").paths).toContain("/private/libb.so");
    const both = { ...files("rpath"), "private/liba.so": elf({ type: 3, needed: ["libb.so"], runpath: "/elsewhere" }) };
    expect(() => find(both, "app")).toThrow('needs the library "libb.so"');
    expect(() => find(files("runpath"), "app")).toThrow(
      /^The library ".*\/private\/liba\.so" needs the library "libb\.so", which is not on this machine \(looked in .*\/lib64.*\)\. Install it\.$/,
    );
  });

  test("musl's loader is the C library, and has a path file of its own", () => {
    const files = {
      app: elf({ interpreter: MUSL, needed: ["libc.so", "libc.musl-x86_64.so.1", "libx.so"] }),
      "etc/ld-musl-x86_64.path": "/one:/two\n",
      "two/libx.so": elf({ type: 3 }),
      [MUSL]: elf({ type: 3 }),
    };
    expect(find(files, "app").paths).toEqual([MUSL, "/two/libx.so"]);
  });

  test("that are missing are named, with what wants them", () => {
    const app = elf({ interpreter: GLIBC, needed: ["libmissing.so.1"] });
    expect(() => find({ app }, "app")).toThrow(
      /^The program ".*\/app" wants the dynamic loader "\/lib64\/ld-linux-x86-64\.so\.2", which is not on this machine\./,
    );
    expect(() => find({ app, [GLIBC]: elf({ type: 3 }) }, "app")).toThrow(
      /^The program ".*\/app" needs the library "libmissing\.so\.1", which is not on this machine/,
    );
  });
});

describe("a binary", () => {
  test.skipIf(!isRoot).each([
    ["gcc", ["-pthread"]],
    ["gcc", ["-static"]],
    ["musl-gcc", []],
    ["musl-gcc", ["-static"]],
  ])("built by %s %j starts in its own root file system", { timeout: 60_000 }, async (compiler, flags) => {
    const context = buildContext();
    const source = join(context.baseDir, "hello.c");
    writeFileSync(
      source,
      '#include <stdio.h>\n#include <math.h>\nint main(int c, char **v) { printf("hello %d %.1f\\n", c, sqrt(c * 2.0)); return 0; }\n',
    );
    execFileSync(compiler, ["-o", join(context.baseDir, "hello"), source, ...flags, "-lm"], { stdio: "pipe" });
    const image = await buildImage({ source: { binary: "./hello" }, args: ["x"] }, context);
    expect(image.command).toEqual(["/usr/local/bin/hello", "x"]);
    const root = join(temporaryDirectory(), "root");
    extract(image.disk, root);
    expect(execFileSync("chroot", [join(root, "rootfs"), ...image.command], { encoding: "utf8" })).toBe(
      "hello 2 2.0\n",
    );
    expect(readdirSync(join(root, "rootfs")).sort()).toEqual(
      expect.arrayContaining(["etc", "root", "run", "tmp", "usr", "var"]),
    );
  });

  test("that does not exist, or is no program for this machine, is refused with a sentence", async () => {
    const context = buildContext();
    const refused = async (content: string | Buffer | undefined): Promise<string> => {
      if (content !== undefined) {
        writeFileSync(join(context.baseDir, "app"), content);
        chmodSync(join(context.baseDir, "app"), 0o755);
      }
      return buildImage({ source: { binary: "app" } }, context).then(
        () => "built",
        (error: Error) => `${error.name}: ${error.message}`,
      );
    };
    expect(await refused(undefined)).toBe(
      `VisibleError: The source binary "app" does not exist (looked for "${join(context.baseDir, "app")}").`,
    );
    expect(await refused("#!/bin/sh\n")).toBe('VisibleError: The source binary "app" is not an ELF file.');
    expect(await refused(elf({ machine: 183 }))).toBe(
      'VisibleError: The source binary "app" is an ELF file for 64-bit Arm (aarch64); only x86-64 runs.',
    );
    expect(await refused(elf({ bits: 32 }))).toBe(
      'VisibleError: The source binary "app" is a 32-bit ELF file; only 64-bit x86-64 runs.',
    );
    expect(await refused(elf({ machine: 3, bits: 32 }))).toContain("is an ELF file for 32-bit x86");
    expect(await refused(elf({ type: 1 }))).toContain(
      "is an ELF file of type 1 (an object file or a core dump), not a program",
    );
    expect(await refused(elf().subarray(0, 70))).toBe(
      'VisibleError: The source binary "app" is an ELF file that is cut short.',
    );
    expect(await refused(elf())).toBe("built");
    await expect(buildImage({ source: { binary: "." } }, context)).rejects.toThrow(
      'The source binary "." is a directory.',
    );
  });
});
