// `npm test`: installs what is missing, then runs every check and every suite, whatever fails on the way.
//
//   npm test [-- NAME…]    only the checks and suites whose name contains one of the words
import { duration, green, main, red, VisibleError } from "./lib/terminal.mjs";
import { setup } from "./setup.mjs";
import { checks } from "./test/checks.mjs";

/** A check is one test that passes when its program does. */
async function runCheck(action) {
  try {
    await action();
    return { passed: 1, failed: 0, skipped: 0 };
  } catch (error) {
    console.error(error instanceof VisibleError ? error.message : error);
    return { passed: 0, failed: 1, skipped: 0 };
  }
}

/** A suite that runs no test at all tells nothing, so it has failed. */
async function runSuite(action) {
  const counts = await action();
  if (counts.passed + counts.failed > 0) return counts;
  console.error("The suite ran no test.");
  return { ...counts, failed: 1 };
}

await main(async () => {
  const words = process.argv.slice(2);
  const all = checks(await setup("test"));
  const chosen = words.length === 0 ? all : all.filter(({ name }) => words.some((word) => name.includes(word)));
  if (chosen.length === 0)
    throw new VisibleError(
      `Nothing is called "${words.join(" ")}". There is: ${all.map(({ name }) => name).join("; ")}.`,
    );

  const results = [];
  for (const { name, check, suite } of chosen) {
    console.log(`\n── ${name}`);
    const began = performance.now();
    const counts = await (check ? runCheck(check) : runSuite(suite));
    results.push({ name, ...counts, took: performance.now() - began });
  }

  console.log("");
  for (const { name, passed, failed, skipped, took } of results) {
    const mark = failed > 0 ? red("✗") : green("✓");
    const numbers = [`${passed} passed`, failed && `${failed} failed`, skipped && `${skipped} skipped`].filter(Boolean);
    console.log(`${mark} ${name.padEnd(24)} ${numbers.join(", ").padEnd(34)} ${duration(took).padStart(12)}`);
  }
  const sum = (key) => results.reduce((total, result) => total + result[key], 0);
  const skipped = sum("skipped");
  console.log(`\n${sum("passed")} passed, ${sum("failed")} failed${skipped ? `, ${skipped} skipped` : ""}`);
  process.exitCode = sum("failed") > 0 ? 1 : 0;
});
