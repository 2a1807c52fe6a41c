// Bytes beyond the application's own files: the kernel, what it is booted with, and what the disk's format adds.
import fs from "node:fs";
import { contentBytes, imageOf } from "../applications.mjs";

/** MiB of each system. */
export async function overhead(application, systems) {
  const image = await imageOf(application);
  const added = fs.statSync(image.disk).size - (await contentBytes(image));
  const results = [];
  for (const system of systems) results.push({ value: ((await system.bytes(application)) + added) / 2 ** 20 });
  return results;
}
