// `npm run fuzz`: random system calls with adversarial arguments from threads that race with each other, in a guest.
//
//   npm run fuzz -- [SEED] [MINUTES] [CPUS]     rounds of a seed, from the first on, until the minutes are over
//   npm run fuzz -- SEED round ROUND [CALLS] [CPUS]
//                                               one round again; CALLS is what each thread makes, as the round's line says
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { build } from "./build.mjs";
import { buildGuests } from "./build-guests.mjs";
import { inRoot } from "./lib/paths.mjs";
import { run } from "./lib/process.mjs";
import { main } from "./lib/terminal.mjs";
import { setup } from "./setup.mjs";

/** Calls that each thread makes in a round: few enough that a machine without acceleration is done in seconds. */
const CALLS = "1000";
/** MiB that are enough for what workers may have at a time, by their limits. */
const MEMORY = "512 MiB";
const UNBOUNDED = String(2 ** 31 - 1);

await main(async () => {
  const { rust } = await setup("start");
  await build(rust);
  const binaries = await buildGuests(["fuzz"]);
  const [seed = "1", second = "1", ...rest] = process.argv.slice(2);
  const one = second === "round";
  const [round, calls = CALLS, cpus = "1"] = one ? rest : ["0", CALLS, rest[0]];
  const folder = mkdtempSync(path.join(os.tmpdir(), "unikernel-fuzz-"));
  try {
    for (const name of ["tmp", "work"]) mkdirSync(path.join(folder, name));
    copyFileSync(path.join(binaries, "fuzz"), path.join(folder, "fuzz"));
    const seconds = one ? UNBOUNDED : String(Math.round(Number(second) * 60));
    const command = ["/fuzz", "supervise", seed, round, one ? "1" : UNBOUNDED, seconds, calls];
    const unikernel = inRoot("provider", "bin", "unikernel.js");
    await run(process.execPath, [unikernel, "run", folder, "-m", MEMORY, "-c", cpus, "--", ...command]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
