import { execFile } from "node:child_process";
import * as path from "node:path";
import { promisify } from "node:util";
import { test } from "vitest";

const folder = path.resolve(import.meta.dirname, "../../schema");
const run = promisify(execFile);

test("the schemas are what the code says", async () => {
  await run(process.execPath, [path.join(folder, "generate.mjs"), "--check"]);
});

test("Pulumi accepts the package schema", async () => {
  await run("pulumi", ["schema", "check", path.join(folder, "unikernel.json")]);
});
