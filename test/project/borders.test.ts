import path from "node:path";
import { ESLint } from "eslint";
import { describe, expect, it } from "vitest";

const root = path.resolve(import.meta.dirname, "../..");
// Only this rule, which needs no types: to load the project for them takes half a minute.
const eslint = new ESLint({
  cwd: root,
  ruleFilter: ({ ruleId }) => ruleId === "no-restricted-imports",
  overrideConfig: { languageOptions: { parserOptions: { projectService: false } } },
});

/** The imports of `lines` that the borders forbid in a file of the provider. */
async function forbidden(file: string, ...imports: string[]): Promise<string[]> {
  const code = imports.map((from, i) => `import * as m${i} from "${from}";\n`).join("");
  const [result] = await eslint.lintText(code, { filePath: path.join(root, "provider/src", file) });
  expect(result?.fatalErrorCount).toBe(0);
  return (result?.messages ?? []).map(({ line }) => imports[line - 1] ?? "");
}

describe("the provider's layers import only those below them", () => {
  it.each([
    [
      "image/build.ts",
      ["../targets/local/index.js", "../resources/image.js", "../hosts/cli/main.js", "@pulumi/pulumi"],
    ],
    ["image/sources/directory.ts", ["../../targets/local/index.js", "../../resources/image.js", "@pulumi/pulumi"]],
    ["targets/aws/index.ts", ["../../resources/image.js", "../../aws/index.js", "@pulumi/pulumi", "@pulumi/aws"]],
    ["hosts/instance.ts", ["../aws/index.js", "../cloud/ports.js", "@pulumi/aws", "@pulumi/aws/ec2", "@pulumi/gcp"]],
    ["cloud/ports.ts", ["../aws/index.js", "../gcp/index.js", "@pulumi/aws", "@pulumi/gcp"]],
    ["aws/index.ts", ["../gcp/index.js", "@pulumi/gcp"]],
    ["targets/local/index.ts", ["../../resources/image.js", "../../hosts/cli/main.js", "@pulumi/pulumi"]],
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
