import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = path.resolve(import.meta.dirname, "../..");
const configuration = ".oxlintrc.json";
let project: string;

// A project of its own, since the files that break the rules are none of this one's.
beforeAll(async () => {
  project = await mkdtemp(path.join(os.tmpdir(), "borders-"));
  await cp(path.join(root, configuration), path.join(project, configuration));
});
afterAll(() => rm(project, { recursive: true }));

/** The imports that the borders forbid in a file of the provider. */
async function forbidden(file: string, ...imports: string[]): Promise<string[]> {
  const name = path.join("provider/src", file);
  await mkdir(path.dirname(path.join(project, name)), { recursive: true });
  await writeFile(path.join(project, name), imports.map((from) => `export * from "${from}";\n`).join(""));
  const oxlint = path.join(root, "node_modules/.bin/oxlint");
  // Exits with 1 for what it found.
  const { stdout } = await promisify(execFile)(oxlint, ["--format=json", name], { cwd: project }).catch(
    (error: unknown) => error as { stdout: string },
  );
  const { diagnostics, number_of_files } = JSON.parse(stdout) as {
    diagnostics: { code: string; labels: { span: { line: number } }[] }[];
    number_of_files: number;
  };
  expect(number_of_files).toBe(1);
  // The compiler has its own to say of files that are not there.
  const found = diagnostics.filter(({ code }) => code === "eslint(no-restricted-imports)");
  return found.map(({ labels }) => imports[(labels[0]?.span.line ?? 0) - 1] ?? "");
}

describe("the provider's layers import only those below them", () => {
  it.each([
    [
      "image/build.ts",
      ["../targets/local/index.js", "../resources/image.js", "../hosts/index.js", "../cli/main.js", "@pulumi/pulumi"],
    ],
    ["image/sources/directory.ts", ["../../targets/local/index.js", "../../resources/image.js", "@pulumi/pulumi"]],
    ["targets/aws/index.ts", ["../../resources/image.js", "../../aws/index.js", "@pulumi/pulumi", "@pulumi/aws"]],
    ["hosts/instance.ts", ["../aws/index.js", "../cloud/ports.js", "@pulumi/aws", "@pulumi/aws/ec2", "@pulumi/gcp"]],
    ["resources/image.ts", ["../hosts/index.js", "../cloud/ports.js", "@pulumi/aws", "@pulumi/gcp"]],
    ["cloud/ports.ts", ["../cli/main.js", "../aws/index.js", "../gcp/index.js", "@pulumi/aws", "@pulumi/gcp"]],
    ["aws/index.ts", ["../gcp/index.js", "@pulumi/gcp"]],
    ["targets/local/index.ts", ["../../resources/image.js", "../../hosts/index.js", "@pulumi/pulumi"]],
  ])("%s may not import from above", async (file, imports) => {
    expect(await forbidden(file, ...imports)).toEqual(imports);
  });

  it.each([
    ["image/sources/directory.ts", ["../tree.js", "./source.js", "node:fs"]],
    ["targets/local/index.ts", ["../../image/index.js", "./paths.js"]],
    [
      "aws/index.ts",
      ["../cloud/ports.js", "../hosts/target.js", "../resources/units.js", "@pulumi/pulumi", "@pulumi/aws"],
    ],
  ])("%s may import from its own layer and below", async (file, imports) => {
    expect(await forbidden(file, ...imports)).toEqual([]);
  });
});
