import { execFileSync } from "node:child_process";
import * as path from "node:path";
import { test } from "vitest";

const folder = path.resolve(import.meta.dirname, "../../schema");

test("the schemas are what the code says", () => {
  execFileSync(process.execPath, [path.join(folder, "generate.mjs"), "--check"], { stdio: "pipe" });
});

test("Pulumi accepts the package schema", () => {
  execFileSync("pulumi", ["schema", "check", path.join(folder, "unikernel.json")], { stdio: "pipe" });
});
