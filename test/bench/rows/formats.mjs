// Writing the Ruby application's disk in the forms that clouds and hypervisors take.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { inRoot } from "../../../scripts/lib/paths.mjs";
import { imageOf } from "../applications.mjs";
import { median } from "../statistics.mjs";

/** A process of its own, as a user's: loading the code is part of the price. */
const program = `
  const began = performance.now();
  const { openImage, writeBootDisk } = require(${JSON.stringify(inRoot("provider/dist/image/index.js"))});
  const [digest, format, file] = process.argv.slice(1);
  openImage(digest)
    .then((image) => writeBootDisk(image, format, file))
    .then(() => console.log((performance.now() - began) / 1000));
`;

/** Seconds for an image that is in the cache. */
export async function writeTime(format, folder, rounds) {
  const { digest } = await imageOf("ruby");
  const file = path.join(folder, `disk.${format}`);
  const values = [];
  for (let round = 0; round < rounds; round++) {
    const { status, stdout, stderr } = spawnSync(process.execPath, ["--eval", program, digest, format, file], {
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`The disk cannot be written: ${stderr}`);
    values.push(Number(stdout));
    fs.rmSync(file);
  }
  return { value: median(values), values };
}
