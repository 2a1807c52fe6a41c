// The npm packages of the workspaces.
import { existsSync } from "node:fs";
import { inRoot, root } from "../lib/paths.mjs";
import { run } from "../lib/process.mjs";
import { fingerprint, isCurrent, writeStamp } from "../lib/stamp.mjs";
import { step } from "../lib/terminal.mjs";

const lock = inRoot("package-lock.json");
const stamp = inRoot("node_modules", ".setup.stamp");

/** Installs exactly what package-lock.json says, when that is not what was installed last. */
export async function nodeModules() {
  const print = fingerprint([lock], [process.version]);
  if (isCurrent(stamp, print, [inRoot("node_modules", "@pulumi", "pulumi")])) return;
  await step(
    "Install npm packages",
    existsSync(stamp) ? "package-lock.json has changed" : "the provider's dependencies",
    () => run("npm", ["ci", "--no-progress"], { cwd: root, quiet: true }),
  );
  writeStamp(stamp, print);
}
