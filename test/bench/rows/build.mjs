// Building the example's image: with nothing in the cache, and with nothing changed.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { inRoot } from "../../../scripts/lib/paths.mjs";
import { applications } from "../applications.mjs";
import { median } from "../statistics.mjs";

/** A process of its own, as the engine's: loading the code is part of the price. */
const program = `
  const began = performance.now();
  const { buildImage } = require(${JSON.stringify(inRoot("provider/dist/image/index.js"))});
  const [spec, context] = JSON.parse(process.argv[1]);
  buildImage(spec, context).then(() => console.log((performance.now() - began) / 1000));
`;

function build(cacheDir) {
  const context = JSON.stringify([applications.ruby.spec, { baseDir: inRoot(), cacheDir }]);
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--eval", program, context], { encoding: "utf8" });
  if (status !== 0) throw new Error(`The image cannot be built: ${stderr}`);
  return Number(stdout);
}

/** Seconds with an empty cache and with the full one. */
export function buildTimes(rounds) {
  const cold = [];
  const warm = [];
  for (let round = 0; round < rounds; round++) {
    const cacheDir = fs.mkdtempSync(path.join(os.tmpdir(), "unikernel-bench-"));
    try {
      cold.push(build(cacheDir));
      warm.push(build(cacheDir));
    } finally {
      fs.rmSync(cacheDir, { recursive: true });
    }
  }
  return { cold: { value: median(cold), values: cold }, warm: { value: median(warm), values: warm } };
}
