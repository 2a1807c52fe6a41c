import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { buildImage } from "../build.js";
import { buildContext } from "../testing/context.js";
import { elf } from "../testing/elf.js";
import { tar, writeLayout } from "../testing/oci.js";
import { temporaryDirectory } from "../testing/temporary.js";
import { extract } from "../testing/trees.js";
import type { BuildContext } from "../types.js";

/** A project with these files, a runtime folder, and a runtime container. */
async function project(files: Record<string, string>): Promise<BuildContext> {
  const context = buildContext();
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(context.baseDir, path)), { recursive: true });
    writeFileSync(join(context.baseDir, path), content);
  }
  mkdirSync(join(context.baseDir, "runtime/usr/bin"), { recursive: true });
  writeFileSync(join(context.baseDir, "runtime/usr/bin/node"), elf());
  chmodSync(join(context.baseDir, "runtime/usr/bin/node"), 0o755);
  const layers = [await tar([{ name: "opt/node/bin/node", content: elf(), mode: 0o755 }])];
  writeLayout(join(context.baseDir, "image"), {
    layers,
    config: { Env: ["PATH=/usr/bin:/opt/node/bin", "X=1"], Entrypoint: ["entry.sh"], Cmd: ["node"] },
  });
  return context;
}

/** What the bundled program prints when this machine's Node.js runs it. */
function run(disk: string, program: string | undefined): string {
  const target = join(temporaryDirectory(), "out");
  extract(disk, target);
  return execFileSync(process.execPath, [join(target, "rootfs", program ?? "")], { encoding: "utf8" });
}

describe("a bundle", () => {
  const program = {
    "src/main.ts":
      'import { greet } from "./greet";\nimport pkg from "left";\nimport * as path from "node:path";\nconsole.log(greet("world" as string), pkg.value, path.basename("/a/b"));\n',
    "src/greet.ts": "export const greet = (name: string): string => `hello ${name}`;\n",
    "node_modules/left/package.json": '{"name":"left","main":"index.js"}',
    "node_modules/left/index.js": 'const { sep } = require("path"); module.exports = { value: sep };\n',
  };

  test("holds the program in one file, on Node.js from a folder or a container", async () => {
    const context = await project(program);
    const image = await buildImage({ source: { bundle: "src/main.ts", runtime: "./runtime" }, args: ["x"] }, context);
    expect(image.command).toEqual(["/usr/bin/node", "/app/index.cjs", "x"]);
    expect(image.config.process.cwd).toBe("/app");
    expect(run(image.disk, image.command[1])).toBe("hello world / b\n");

    const other = await buildImage({ source: { bundle: "src/main.ts", runtime: "./image" } }, context);
    expect(other.command).toEqual(["/opt/node/bin/node", "/app/index.cjs"]);
    expect(other.config.process.env).toContain("X=1");
    expect(run(other.disk, other.command[1])).toBe("hello world / b\n");
  });

  test("keeps ES modules what they are, with packages in CommonJS in them", async () => {
    const context = await project({
      ...program,
      "package.json": '{"type":"module"}',
      "src/main.ts": `${program["src/main.ts"]}console.log(await Promise.resolve(import.meta.url.slice(0, 8)));\n`,
    });
    const image = await buildImage({ source: { bundle: "src/main.ts", runtime: "runtime" } }, context);
    expect(image.command).toEqual(["/usr/bin/node", "/app/index.mjs"]);
    expect(run(image.disk, image.command[1])).toBe("hello world / b\nfile:///\n");
  });

  test("is the same from another folder, and another when the program changes", async () => {
    const spec = { source: { bundle: "src/main.ts", runtime: "runtime" } };
    const one = await buildImage(spec, await project(program));
    const two = await buildImage(spec, await project(program));
    expect(two.digest).toBe(one.digest);
    const changed = await buildImage(
      spec,
      await project({ ...program, "src/greet.ts": "export const greet = (name: string): string => `bye ${name}`;\n" }),
    );
    expect(changed.digest).not.toBe(one.digest);
  });

  test("that cannot be made is refused with a sentence", async () => {
    const context = await project({
      "broken.ts": "const x: = 1;\n",
      "missing.ts": 'import "./nowhere";\nimport "not-installed";\n',
      "native.ts": 'require("addon");\n',
      "node_modules/addon/index.js": 'module.exports = require("./build/addon.node");\n',
      "node_modules/addon/build/addon.node": "machine code",
      "fine.ts": "export {};\n",
      "empty/file": "",
    });
    const refused = async (bundle: string, runtime = "runtime"): Promise<string> =>
      buildImage({ source: { bundle, runtime } }, context).then(
        () => "built",
        (error: Error) => `${error.name}: ${error.message}`,
      );
    expect(await refused("nowhere.ts")).toBe(
      `VisibleError: The entry point "nowhere.ts" does not exist (looked for "${join(context.baseDir, "nowhere.ts")}").`,
    );
    expect(await refused("broken.ts")).toBe(
      'VisibleError: "broken.ts" cannot be bundled:\n  broken.ts:1:10: Unexpected "=".',
    );
    expect(await refused("missing.ts")).toMatch(
      /^VisibleError: "missing\.ts" cannot be bundled:\n {2}missing\.ts:1:8: Could not resolve "\.\/nowhere"\.\n {2}missing\.ts:2:8: Could not resolve "not-installed"\.$/,
    );
    expect(await refused("native.ts")).toContain(
      'the package needs the native addon "node_modules/addon/build/addon.node", which cannot be bundled.',
    );
    expect(await refused("fine.ts", "empty")).toContain(
      'The runtime "empty" has no Node.js: there is no "node" in its PATH',
    );
    expect(await refused("fine.ts", "./nowhere")).toContain('The container image "./nowhere" does not exist');
    expect(await refused("fine.ts")).toBe("built");
  });
});
