// Measures the kernel beside Debian's. Runs inside a network namespace of its own; `npm run bench` makes it.
//
//   main.mjs KERNEL [ROW…]    KERNEL is Debian's, as JSON
import { createRequire } from "node:module";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { inRoot } from "../../scripts/lib/paths.mjs";
import { duration, main, VisibleError } from "../../scripts/lib/terminal.mjs";
import { setUpNetwork } from "./network.mjs";
import { report } from "./report.mjs";
import { rows } from "./rows.mjs";
import { linux, unikernel } from "./systems.mjs";

const require = createRequire(import.meta.url);
const { findQemu } = require("../../provider/dist/targets/local/qemu.js");
const { probeAccelerator } = require("../../provider/dist/targets/local/accelerator.js");

const rounds = 5;

await main(async () => {
  const [kernel, ...names] = process.argv.slice(2);
  const chosen =
    names.length === 0 ? rows : rows.filter((row) => names.some((name) => `${row.name}:`.startsWith(`${name}:`)));
  if (chosen.length === 0)
    throw new VisibleError(
      `There is no row "${names.join(" ")}". There is: ${rows.map(({ name }) => name).join(", ")}.`,
    );

  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "unikernel-bench-"));
  process.once("exit", () => fs.rmSync(folder, { recursive: true, force: true }));
  const guestFolder = path.join(folder, "guest");
  fs.mkdirSync(guestFolder);
  setUpNetwork(folder);
  const { accelerator } = await probeAccelerator(await findQemu("x86_64"), folder);
  const bench = { accelerator, rounds, folder: guestFolder };
  const systems = [unikernel(), linux(JSON.parse(kernel), folder)];

  const results = [];
  for (const { name, title, unit, target, measure } of chosen) {
    const began = performance.now();
    const result = { name, title, unit, target };
    try {
      Object.assign(result, await measure(systems, bench));
    } catch (error) {
      result.failure = error.message;
      console.error(error.message);
    }
    results.push(result);
    console.error(`• ${title}: ${result.failure ? "failed" : "measured"} in ${duration(performance.now() - began)}`);
  }
  const file = report(results, { linux: systems[1].title, accelerator, rounds }, inRoot("test", "results"));
  console.log(path.relative(process.cwd(), file));
  process.exitCode = results.some(({ failure }) => failure) ? 1 : 0;
  // The DHCP server's pipe would keep the process alive.
  process.exit();
});
