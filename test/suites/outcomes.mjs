// What a suite's driver prints, and what two systems differ in.

/**
 * What became of the tests of a module: names of those that passed and failed, and why it went no further, if so.
 * @typedef {{ passed: string[], failed: string[], trouble?: string }} Outcomes
 */

/** @returns {Outcomes} From a guest's console. */
export function parseOutcomes(console) {
  const [passed, failed] = [new Set(), new Set()];
  let trouble = "the guest ended in the middle of it";
  for (const line of console.split(/\r?\n/)) {
    const [, what, rest] = /^@(\w+) ?(.*)$/.exec(line) ?? [];
    if (what === "passed") passed.add(rest);
    else if (what === "failed") failed.add(rest);
    else if (what === "broken") trouble = rest;
    else if (what === "timeout") trouble = "it takes too long";
    else if (what === "end" && trouble.startsWith("the guest")) trouble = undefined;
  }
  // With subtests a test may fail more than once, and pass in the rest.
  for (const name of failed) passed.delete(name);
  return { passed: [...passed], failed: [...failed], ...(trouble && { trouble }) };
}

/** What passes on Linux and not here. */
export function differences(linux, here) {
  const passed = new Set(here.passed);
  return linux.passed.filter((name) => !passed.has(name));
}
