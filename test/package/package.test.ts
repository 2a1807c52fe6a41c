import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = path.resolve(import.meta.dirname, "../..");
const folder = mkdtempSync(path.join(os.tmpdir(), "unikernel-package-"));
const user = path.join(folder, "user");

/** What a program prints. */
async function output(cwd: string, env: NodeJS.ProcessEnv, program: string, args: string[]): Promise<string> {
  const running = promisify(execFile)(program, args, { cwd, env, maxBuffer: 16 << 20 });
  running.child.stdin?.end();
  return (await running).stdout;
}

function run(program: string, ...args: string[]): Promise<string> {
  return output(user, { ...process.env, XDG_CACHE_HOME: path.join(folder, "cache") }, program, args);
}

interface Packed {
  filename: string;
  size: number;
  files: { path: string; size: number }[];
}

let packed: Packed;

beforeAll(async () => {
  const provider = path.join(root, "provider");
  const answer = await output(provider, process.env, "npm", ["pack", "--json", "--pack-destination", folder]);
  // What prepack prints comes before the JSON.
  [packed] = JSON.parse(answer.slice(answer.indexOf("[\n"))) as [Packed];
  mkdirSync(user);
  writeFileSync(path.join(user, "package.json"), JSON.stringify({ name: "user", private: true }));
  // Everything is in npm's cache since the workspace was installed.
  await run("npm", "install", "--prefer-offline", "--no-audit", "--no-fund", path.join(folder, packed.filename));
}, 300_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the package, installed in an empty folder", () => {
  it("carries the kernel, the schemas and the licence, and no sources or tests", () => {
    const files = packed.files.map((file) => file.path);
    expect(files).toEqual(
      expect.arrayContaining([
        "LICENSE",
        "README.md",
        "bin/unikernel.js",
        "dist/index.js",
        "dist/index.d.ts",
        "dist/schema/unikernel.json",
        "kernel/x86_64/kernel.elf",
        "kernel/x86_64/loader.bios",
        "kernel/x86_64/loader.efi",
      ]),
    );
    expect(files.filter((file) => file.endsWith(".test.js") || file.startsWith("src/"))).toEqual([]);
  });

  it("carries the kernel that was built", () => {
    const installed = path.join(user, "node_modules/pulumi-unikernel/kernel/x86_64/kernel.elf");
    expect(readFileSync(installed).equals(readFileSync(path.join(root, "provider/kernel/x86_64/kernel.elf")))).toBe(
      true,
    );
  });

  it("loads from CommonJS and from ES modules", async () => {
    const names = async (code: string, ...options: string[]): Promise<string> =>
      (await run(process.execPath, ...options, "--eval", code)).trim();
    expect(await names("const u = require('pulumi-unikernel'); console.log(typeof u.Image, typeof u.Instance)")).toBe(
      "function function",
    );
    const imported = "import { Image, Instance } from 'pulumi-unikernel'; console.log(typeof Image, typeof Instance)";
    expect(await names(imported, "--input-type=module")).toBe("function function");
  });

  it("type-checks a program that uses it", async () => {
    cpSync(path.join(root, "examples/ruby-container/index.ts"), path.join(user, "index.ts"));
    const options = [
      "--noEmit",
      "--strict",
      "--skipLibCheck",
      "--module",
      "node16",
      "--target",
      "es2023",
      "--types",
      "node",
    ];
    await run(
      path.join(root, "node_modules/.bin/tsc"),
      ...options,
      ...["--typeRoots", path.join(root, "node_modules/@types")],
      "index.ts",
    );
  });

  it("builds an image with the kernel it carries", async () => {
    const disk = path.join(user, "server.img");
    await run("npx", "--no-install", "unikernel", "build", path.join(root, "test/guests/build/c-server"), "-o", disk);
    expect(existsSync(disk)).toBe(true);
    expect(await run("npx", "--no-install", "unikernel", "inspect", disk)).toContain("c-server");
  });
});
