// Measures the kernel beside Debian's. Runs inside a network namespace of its own; `npm run bench` makes it.
//
//   main.mjs KERNEL [here] [ROW…]    KERNEL is Debian's, as JSON; `here` leaves it out
import path from "node:path";
import { inRoot } from "../../scripts/lib/paths.mjs";
import { duration, main, VisibleError } from "../../scripts/lib/terminal.mjs";
import { preparePlace } from "./place.mjs";
import { report } from "./report.mjs";
import { rows } from "./rows.mjs";

const rounds = 5;

await main(async () => {
  const [kernel, ...words] = process.argv.slice(2);
  const alone = words[0] === "here";
  const names = alone ? words.slice(1) : words;
  const chosen =
    names.length === 0 ? rows : rows.filter((row) => names.some((name) => `${row.name}:`.startsWith(`${name}:`)));
  if (chosen.length === 0)
    throw new VisibleError(
      `There is no row "${names.join(" ")}". There is: ${rows.map(({ name }) => name).join(", ")}.`,
    );

  const { accelerator, qboot, folder, systems } = await preparePlace("bench", kernel);
  const bench = { accelerator, qboot, rounds, folder };

  const results = [];
  for (const { name, title, unit, target, measure } of chosen) {
    const began = performance.now();
    const result = { name, title, unit, target };
    try {
      Object.assign(result, await measure(alone ? systems.slice(0, 1) : systems, bench));
    } catch (error) {
      result.failure = error.message;
      console.error(error.message);
    }
    results.push(result);
    // A run that is ended early has told what it had found.
    const found = result.failure
      ? "failed"
      : [result.here, result.linux]
          .filter(Boolean)
          .map(({ value }) => value.toPrecision(3))
          .join(" and ");
    console.error(`• ${title}: ${found}, in ${duration(performance.now() - began)}`);
  }
  const file = report(results, { linux: systems[1].title, accelerator, rounds }, inRoot("test", "results"));
  console.log(path.relative(process.cwd(), file));
  process.exitCode = results.some(({ failure }) => failure) ? 1 : 0;
  // The DHCP server's pipe would keep the process alive.
  process.exit();
});
