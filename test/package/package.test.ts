import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = path.resolve(import.meta.dirname, "../..");
const folder = mkdtempSync(path.join(os.tmpdir(), "unikernel-package-"));
const user = path.join(folder, "user");

function run(program: string, ...args: string[]): string {
  const env = { ...process.env, XDG_CACHE_HOME: path.join(folder, "cache") };
  return execFileSync(program, args, { cwd: user, env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

interface Packed {
  filename: string;
  size: number;
  files: { path: string; size: number }[];
}

let packed: Packed;

beforeAll(() => {
  const answer = execFileSync("npm", ["pack", "--json", "--pack-destination", folder], {
    cwd: path.join(root, "provider"),
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
  // What prepack prints comes before the JSON.
  [packed] = JSON.parse(answer.slice(answer.indexOf("[\n"))) as [Packed];
  mkdirSync(user);
  writeFileSync(path.join(user, "package.json"), JSON.stringify({ name: "user", private: true }));
  // Everything is in npm's cache since the workspace was installed.
  run("npm", "install", "--prefer-offline", "--no-audit", "--no-fund", path.join(folder, packed.filename));
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

  it("loads from CommonJS and from ES modules", () => {
    const names = (code: string, ...options: string[]): string =>
      run(process.execPath, ...options, "--eval", code).trim();
    expect(names("const u = require('pulumi-unikernel'); console.log(typeof u.Image, typeof u.Instance)")).toBe(
      "function function",
    );
    const imported = "import { Image, Instance } from 'pulumi-unikernel'; console.log(typeof Image, typeof Instance)";
    expect(names(imported, "--input-type=module")).toBe("function function");
  });

  it("type-checks a program that uses it", () => {
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
    run(
      path.join(root, "node_modules/.bin/tsc"),
      ...options,
      ...["--typeRoots", path.join(root, "node_modules/@types")],
      "index.ts",
    );
  });

  it("builds an image with the kernel it carries", () => {
    const disk = path.join(user, "server.img");
    run("npx", "--no-install", "unikernel", "build", path.join(root, "test/guests/build/c-server"), "-o", disk);
    expect(existsSync(disk)).toBe(true);
    expect(run("npx", "--no-install", "unikernel", "inspect", disk)).toContain("c-server");
  });
});
