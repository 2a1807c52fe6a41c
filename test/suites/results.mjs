// What has been found out so far, module by module: a suite takes longer than one likes to wait, and is run in parts, on one machine and another.
import fs from "node:fs";
import path from "node:path";
import { inRoot } from "../../scripts/lib/paths.mjs";
import { differences } from "./outcomes.mjs";

const folder = inRoot("test/suites/build");
const file = (suite) => path.join(folder, `${suite}.json`);

/**
 * Of a module: how many of its tests pass on Linux, which of them do not here, and the day on which this kernel ran them. Trouble is
 * why a system came to no end.
 * @typedef {{ passOnLinux: number, missing: string[], day: string, trouble?: { here?: string, linux?: string } }} Summary
 */

const summaryFile = (suite) => inRoot("test/suites", suite, "results.json");

/** What is checked in. @returns {Record<string, Summary>} */
export function loadSummaries(suite) {
  return fs.existsSync(summaryFile(suite)) ? JSON.parse(fs.readFileSync(summaryFile(suite), "utf8")) : {};
}

/** Takes a module's results into what is checked in. */
export function saveSummary(suite, module, { here, linux, day }) {
  const trouble = { here: here.trouble, linux: linux.trouble };
  const summary = { passOnLinux: linux.passed.length, missing: differences({ here, linux }), day };
  if (trouble.here || trouble.linux) summary.trouble = trouble;
  write(summaryFile(suite), { ...loadSummaries(suite), [module]: summary });
}

/** Nobody finds half a file. */
function write(file, value) {
  fs.writeFileSync(`${file}.partial`, `${JSON.stringify(value, null, 2)}\n`);
  fs.renameSync(`${file}.partial`, file);
}

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
  write(file(suite), results);
}
