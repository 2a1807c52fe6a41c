// Bytes beyond the application's own files: the kernel, what it is booted with, and what the disk's format adds.
import fs from "node:fs";
import { createRequire } from "node:module";
import { imageOf } from "../applications.mjs";

const require = createRequire(import.meta.url);
const { inspectDisk } = require("../../../provider/dist/image/index.js");

/** MiB of each system. */
export async function overhead(application, systems) {
  const { disk } = await imageOf(application);
  const { files } = await inspectDisk(disk);
  // A file with several names takes its room once, so each name counts for its share.
  const content = files
    .filter(({ path, type }) => path.startsWith("/rootfs") && type === "file")
    .reduce((sum, { size, links }) => sum + size / links, 0);
  const added = fs.statSync(disk).size - content;
  const results = [];
  for (const system of systems) results.push({ value: ((await system.bytes(application)) + added) / 2 ** 20 });
  return results;
}
