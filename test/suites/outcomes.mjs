// What became of the tests of a module on a system, and what two systems differ in.

/**
 * Names of tests that passed and failed, and why it went no further, if so.
 * @typedef {{ passed: string[], failed: string[], trouble?: string }} Outcomes
 */

/**
 * Takes from a guest's console what its lines say.
 * @param {string} console
 * @param {(line: string) => ["passed" | "failed", string] | ["trouble", string] | ["end"] | undefined} read What a line says.
 * @returns {Outcomes}
 */
export function readOutcomes(console, read) {
  const [passed, failed] = [new Set(), new Set()];
  const untold = "the guest ended in the middle of it";
  let trouble = untold;
  // A terminal on a serial port may add a carriage return each.
  for (const line of console.split(/\r*\n/)) {
    const [what, value] = read(line) ?? [];
    if (what === "passed") passed.add(value);
    else if (what === "failed") failed.add(value);
    else if (what === "trouble") trouble = value;
    else if (what === "end" && trouble === untold) trouble = undefined;
  }
  // With subtests a test may fail more than once, and pass in the rest.
  for (const name of failed) passed.delete(name);
  return { passed: [...passed], failed: [...failed], ...(trouble && { trouble }) };
}

/**
 * What a line of a driver says that runs programs: "@STATUS NAME", and "@end" at the end.
 * @param {string} line
 * @param {string[]} skipped Exit statuses by which a program says that the system has not what it takes.
 */
export function readStatus(line, skipped) {
  const [, status, name] = /^@(\w+) ?(.*)$/.exec(line) ?? [];
  if (status === "0") return ["passed", name];
  if (status === "end") return ["end"];
  if (status && !skipped.includes(status)) return ["failed", name];
}

/** What passes on Linux and not here. */
export function differences({ linux, here }) {
  const passed = new Set(here.passed);
  return linux.passed.filter((name) => !passed.has(name));
}
