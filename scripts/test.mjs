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
async function runSuite(action, show) {
  const counts = await action(show);
  if (counts.passed + counts.failed > 0) return counts;
  console.error("The suite ran no test.");
  return { ...counts, failed: 1 };
}

/** Shows whole lines, each with the name of who says it, since two speak at a time. */
function shower(name) {
  let rest = "";
  return (data) => {
    const lines = `${rest}${data}`.split("\n");
    rest = lines.pop();
    for (const line of lines) console.log(`${name} │ ${line}`);
  };
}

async function runItem({ name, check, suite }) {
  console.log(`── ${name}`);
  const began = performance.now();
  const counts = await (check ? runCheck(check) : runSuite(suite, shower(name)));
  const took = performance.now() - began;
  console.log(`${counts.failed > 0 ? red("✗") : green("✓")} ${name} (${duration(took)})`);
  return { name, ...counts, took };
}

/** As many at a time as a small machine has CPUs. */
const runners = 2;

/** Runs the items in their order, some beside each other, each after those it needs. Resolves to the results in the order of the items. */
async function runAll(items) {
  const done = new Map();
  const running = new Set();
  const waiting = [...items];
  const isReady = ({ after = [] }) =>
    after.every((name) => done.has(name) || !items.some((item) => item.name === name));
  while (waiting.length > 0 || running.size > 0) {
    const next = running.size < runners ? waiting.findIndex(isReady) : -1;
    if (next < 0) {
      await Promise.race(running);
      continue;
    }
    const [item] = waiting.splice(next, 1);
    const result = runItem(item).then((counts) => {
      done.set(item.name, counts);
      running.delete(result);
    });
    running.add(result);
  }
  return items.map(({ name }) => done.get(name));
}

await main(async () => {
  const words = process.argv.slice(2);
  const all = checks(await setup("test"));
  const chosen = words.length === 0 ? all : all.filter(({ name }) => words.some((word) => name.includes(word)));
  if (chosen.length === 0)
    throw new VisibleError(
      `Nothing is called "${words.join(" ")}". There is: ${all.map(({ name }) => name).join("; ")}.`,
    );

  const results = await runAll(chosen);

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
