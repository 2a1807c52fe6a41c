// Skipping a step whose inputs have not changed since it last ran.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

const passedOver = new Set(["node_modules", "target", "dist", "build", ".git", ".pulumi"]);

/** All files below the given files and folders, sorted, build results left out. */
function filesBelow(paths) {
  /** @type {string[]} */
  const found = [];
  const visit = (entry) => {
    let children;
    try {
      children = readdirSync(entry, { withFileTypes: true });
    } catch (error) {
      if (error.code === "ENOTDIR") found.push(entry);
      else if (error.code !== "ENOENT") throw error;
      return;
    }
    for (const child of children) if (!passedOver.has(child.name)) visit(path.join(entry, child.name));
  };
  for (const entry of paths) visit(entry);
  return found.sort();
}

/** A digest of the files' names and contents and of `extra` (versions, options). */
export function fingerprint(paths, extra = []) {
  const hash = createHash("sha256").update(JSON.stringify(extra));
  for (const file of filesBelow(paths)) {
    const content = readFileSync(file);
    hash.update(`\0${path.relative(".", file)}\0${content.length}\0`).update(content);
  }
  return hash.digest("hex");
}

/** True when `stamp` holds this fingerprint and every output exists. */
export function isCurrent(stamp, print, outputs) {
  return outputs.every((output) => existsSync(output)) && existsSync(stamp) && readFileSync(stamp, "utf8") === print;
}

export function writeStamp(stamp, print) {
  mkdirSync(path.dirname(stamp), { recursive: true });
  writeFileSync(stamp, print);
}
