// Runs a suite in guests, module by module. Runs inside a network namespace of its own; `npm run suites` makes it.
//
//   main.mjs KERNEL SUITE [MODULE…]    KERNEL is Debian's, as JSON
import { createRequire } from "node:module";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { guestContainers, inRoot } from "../../scripts/lib/paths.mjs";
import { duration, main } from "../../scripts/lib/terminal.mjs";
import { applications } from "../bench/applications.mjs";
import { Guest } from "../bench/guest.mjs";
import { setUpNetwork } from "../bench/network.mjs";
import { linux, unikernel } from "../bench/systems.mjs";
import { differences, parseOutcomes } from "./outcomes.mjs";
import { writeReport } from "./report.mjs";
import { suites } from "./suites.mjs";

const require = createRequire(import.meta.url);
const { findQemu } = require("../../provider/dist/targets/local/qemu.js");
const { probeAccelerator } = require("../../provider/dist/targets/local/accelerator.js");

/** MiB of each guest. */
const memory = 1024;
/** Seconds beyond the module's own limit, in which the guest starts and ends. */
const grace = 120;

/** @returns {Promise<import("./outcomes.mjs").Outcomes>} */
async function runModule(system, application, limit, options) {
  const guest = new Guest(await system.boot(application), options);
  const deadline = performance.now() + (limit + grace) * 1000;
  while (!guest.hasEnded && performance.now() < deadline) await Promise.race([guest.ended, sleep(1000)]);
  await guest.stop();
  const outcomes = parseOutcomes(fs.readFileSync(guest.console, "utf8"));
  if (outcomes.passed.length === 0 && outcomes.trouble?.startsWith("the guest")) console.error(guest.lastWords());
  return outcomes;
}

await main(async () => {
  const [kernel, name, ...chosen] = process.argv.slice(2);
  const suite = suites[name];
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "unikernel-suites-"));
  process.once("exit", () => fs.rmSync(folder, { recursive: true, force: true }));
  const guestFolder = path.join(folder, "guest");
  fs.mkdirSync(guestFolder);
  setUpNetwork(folder);
  const { accelerator } = await probeAccelerator(await findQemu("x86_64"), folder);
  const systems = { here: unikernel(), linux: linux(JSON.parse(kernel), folder) };
  const results = {};
  for (const module of chosen.length > 0 ? chosen : suite.modules) {
    const source = { container: path.join(guestContainers, suite.container) };
    const args = [String(suite.limit), module];
    applications[module] = { title: module, spec: { source, args, allowExecWritten: true } };
    const began = performance.now();
    const result = {};
    for (const [key, system] of Object.entries(systems))
      result[key] = await runModule(system, module, suite.limit, { memory, accelerator, folder: guestFolder });
    results[module] = result;
    const differ = differences(result.linux, result.here);
    const count = ({ passed, trouble }) => `${passed.length}${trouble ? ` (${trouble})` : ""}`;
    console.log(
      `${module}: ${count(result.here)} of Linux's ${count(result.linux)} in ${duration(performance.now() - began)}`,
    );
    for (const test of differ) console.log(`  ${test}`);
  }
  if (chosen.length === 0) await writeReport(inRoot("test/suites/README.md"), suite, results, systems.linux.title);
  // The DHCP server's pipe would keep the process alive.
  process.exit();
});
