// Runs a suite in guests, module by module. Runs inside a network namespace of its own; `npm run suites` makes it.
//
//   main.mjs KERNEL SUITE [--here] [MODULE…]    KERNEL is Debian's, as JSON; with --here what passes on Linux is as it was found before
import fs from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { setTimeout as sleep } from "node:timers/promises";
import { guestContainers } from "../../scripts/lib/paths.mjs";
import { duration, main } from "../../scripts/lib/terminal.mjs";
import { applications } from "../bench/applications.mjs";
import { Guest } from "../bench/guest.mjs";
import { preparePlace } from "../bench/place.mjs";
import { differences, readOutcomes } from "./outcomes.mjs";
import { writeReport } from "./report.mjs";
import { loadResults, saveConsole, saveResults, saveSummary } from "./results.mjs";
import { suites } from "./suites.mjs";

/** MiB of each guest. */
const memory = 1024;
/** On a busy machine Linux' check of the emulated timer fails, and with it the boot. On KVM it leaves the check out by itself. */
const kernelParameters = ["no_timer_check"];
/** Seconds beyond the module's own limit, in which the guest starts and ends. */
const grace = 120;

/** @returns {Promise<import("./outcomes.mjs").Outcomes>} */
async function runModule(system, module, { limit, read }, options, keep) {
  const guest = new Guest(await system.boot(module), options);
  const deadline = performance.now() + (limit + grace) * 1000;
  while (!guest.hasEnded && performance.now() < deadline) await Promise.race([guest.ended, sleep(1000)]);
  const isLate = !guest.hasEnded;
  await guest.stop();
  const said = fs.readFileSync(guest.console, "utf8");
  keep(said);
  const outcomes = readOutcomes(said, (line) => read(line, module));
  if (isLate && outcomes.trouble) outcomes.trouble = "it takes too long";
  else if (outcomes.passed.length === 0 && outcomes.trouble) console.error(guest.lastWords());
  return outcomes;
}

await main(async () => {
  const {
    values: { here: onlyHere },
    positionals: [kernel, name, ...chosen],
  } = parseArgs({ options: { here: { type: "boolean" } }, allowPositionals: true });
  const suite = suites[name];
  const {
    accelerator,
    qboot,
    folder,
    systems: [here, linux],
  } = await preparePlace("suites", kernel, kernelParameters);
  for (const module of chosen.length > 0 ? chosen : suite.modules) {
    const source = { container: path.join(guestContainers, suite.container) };
    applications[module] = { title: module, spec: { source, args: suite.args(module), allowExecWritten: true } };
    const began = performance.now();
    const result = { linux: onlyHere ? loadResults(name)[module]?.linux : undefined };
    for (const [key, system] of Object.entries({ here, linux }))
      result[key] ??= await runModule(system, module, suite, { memory, accelerator, qboot, folder }, (text) =>
        saveConsole(name, module, key, text),
      );
    result.day = new Date().toISOString().slice(0, 10);
    saveResults(name, { ...loadResults(name), [module]: result });
    saveSummary(name, module, result);
    const count = ({ passed, trouble }) => `${passed.length}${trouble ? ` (${trouble})` : ""}`;
    console.log(
      `${module}: ${count(result.here)} of Linux's ${count(result.linux)} in ${duration(performance.now() - began)}`,
    );
    for (const test of differences(result)) console.log(`  ${test}`);
  }
  await writeReport(name, suite, linux.title);
  // The DHCP server's pipe would keep the process alive.
  process.exit();
});
