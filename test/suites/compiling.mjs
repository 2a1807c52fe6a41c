// What the suites that are compiled here share.
import os from "node:os";
import { run } from "../../scripts/lib/process.mjs";

/** Does the same for each, as many at a time as there are CPUs. */
export async function forEach(all, work) {
  const queue = [...all];
  const lane = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await work(next);
  };
  await Promise.all(os.cpus().map(lane));
}

/** Runs a compiler. Resolves to whether it had nothing to say against it. */
export const compile = (compiler, args) =>
  run(compiler, args, { quiet: true }).then(
    () => true,
    () => false,
  );
