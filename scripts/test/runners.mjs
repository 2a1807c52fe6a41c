// Runs a test suite, shows its output and returns its numbers.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { inRoot } from "../lib/paths.mjs";

/** No suite may hang for ever. */
const timeoutMs = 25 * 60_000;

/**
 * @typedef {object} Counts
 * @property {number} passed
 * @property {number} failed
 * @property {number} skipped
 */

/** Runs to the end, showing what it says and keeping standard output. */
function execute(program, args, show, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], timeout: timeoutMs, ...options });
    let output = "";
    child.stdout.on("data", (data) => {
      output += data;
      show(data);
    });
    child.stderr.on("data", show);
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, output }));
  });
}

/** A runner that ended badly has failed even where it counts no failed test: it may not have come to count. */
const settle = (counts, code) => (code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts);

/** @returns {Promise<Counts>} */
export async function cargoTest(rust, folder, show, ...selection) {
  const args = ["test", "--locked", "--no-fail-fast", ...selection];
  const { code, output } = await execute(rust.cargo, args, show, { cwd: folder, env: rust.env });
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const [, passed, failed, ignored] of output.matchAll(
    /^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored/gm,
  )) {
    counts.passed += Number(passed);
    counts.failed += Number(failed);
    counts.skipped += Number(ignored);
  }
  // A test that finds no right or no device to run with says so, and passes.
  const skipped = output.match(/\bskipped: /g)?.length ?? 0;
  counts.passed -= skipped;
  counts.skipped += skipped;
  return settle(counts, code);
}

/** @returns {Promise<Counts>} */
export async function vitest(folder, env, show) {
  const report = path.join(mkdtempSync(path.join(os.tmpdir(), "vitest-")), "report.json");
  const args = ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  try {
    const { code } = await execute(inRoot("node_modules", ".bin", "vitest"), args, show, { cwd: folder, env });
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults } = JSON.parse(
      readFileSync(report, "utf8"),
    );
    // A file that cannot be loaded has no tests to fail.
    const broken = testResults.filter(
      ({ status, assertionResults }) => status === "failed" && assertionResults.length === 0,
    );
    const counts = {
      passed: numPassedTests,
      failed: numFailedTests + broken.length,
      skipped: numPendingTests + numTodoTests,
    };
    return settle(counts, code);
  } catch (error) {
    console.error(`vitest in ${folder} left no report: ${error.message}`);
    return { passed: 0, failed: 1, skipped: 0 };
  } finally {
    rmSync(path.dirname(report), { recursive: true, force: true });
  }
}
