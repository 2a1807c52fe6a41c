// What has been found out so far, module by module: a suite takes longer than one likes to wait, and is run in parts.
import fs from "node:fs";
import path from "node:path";
import { inRoot } from "../../scripts/lib/paths.mjs";

const folder = inRoot("test/suites/build");
const file = (suite) => path.join(folder, `${suite}.json`);

/**
 * Module → what became of its tests on both systems, and the day on which this kernel ran them.
 * @typedef {Record<string, { here: import("./outcomes.mjs").Outcomes, linux: import("./outcomes.mjs").Outcomes, day: string }>} Results
 */

/** @returns {Results} */
export function loadResults(suite) {
  return fs.existsSync(file(suite)) ? JSON.parse(fs.readFileSync(file(suite), "utf8")) : {};
}

/** Keeps what a guest said, for whoever looks into a failure. */
export function saveConsole(suite, module, system, text) {
  fs.mkdirSync(path.join(folder, suite), { recursive: true });
  fs.writeFileSync(path.join(folder, suite, `${module.replaceAll("/", "-")}.${system}.log`), text);
}

/** @param {Results} results */
export function saveResults(suite, results) {
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(`${file(suite)}.partial`, JSON.stringify(results, null, 1));
  fs.renameSync(`${file(suite)}.partial`, file(suite));
}
