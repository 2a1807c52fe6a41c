// Bytes beyond the application's own files.
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { inRoot } from "../../../scripts/lib/paths.mjs";
import { contentBytes, imageOf } from "../applications.mjs";

const require = createRequire(import.meta.url);
const { writeBootDisk } = require(inRoot("provider/dist/image/index.js"));

const MIB = 2 ** 20;
const BLOCK = 4096;

/** MiB of each system where the hypervisor loads the kernel: the kernel, what it is booted with, and what the disk's format adds. */
export async function overhead(application, systems) {
  const image = await imageOf(application);
  const added = fs.statSync(image.disk).size - (await contentBytes(image));
  const results = [];
  for (const system of systems) results.push({ value: ((await system.bytes(application)) + added) / MIB });
  return results;
}

/** MiB of a disk that boots by itself: its blocks that are not zero. */
export async function bootDiskOverhead(application, folder) {
  const image = await imageOf(application);
  const file = path.join(folder, "size.raw");
  await writeBootDisk(image, "raw", file);
  const disk = fs.readFileSync(file);
  fs.rmSync(file);
  const zero = Buffer.alloc(BLOCK);
  let stored = 0;
  for (let at = 0; at < disk.length; at += BLOCK)
    if (disk.compare(zero, 0, BLOCK, at, at + BLOCK) !== 0) stored += BLOCK;
  return { value: (stored - (await contentBytes(image))) / MIB };
}
