// What has been found out so far, module by module: a suite takes longer than one likes to wait, and is run in parts.
import fs from "node:fs";
import path from "node:path";
import { inRoot } from "../../scripts/lib/paths.mjs";

const file = (suite) => inRoot("test/suites/build", `${suite}.json`);

/**
 * Module → what became of its tests on both systems.
 * @typedef {Record<string, { here: import("./outcomes.mjs").Outcomes, linux: import("./outcomes.mjs").Outcomes }>} Results
 */

/** @returns {Results} */
export function loadResults(suite) {
  return fs.existsSync(file(suite)) ? JSON.parse(fs.readFileSync(file(suite), "utf8")) : {};
}

/** @param {Results} results */
export function saveResults(suite, results) {
  fs.mkdirSync(path.dirname(file(suite)), { recursive: true });
  fs.writeFileSync(`${file(suite)}.partial`, JSON.stringify(results, null, 1));
  fs.renameSync(`${file(suite)}.partial`, file(suite));
}
