// From the start of the QEMU process to the first good answer.
import { protocolOf } from "../applications.mjs";
import { Guest } from "../guest.mjs";
import { firstAnswer } from "../probe.mjs";
import { median } from "../statistics.mjs";

/** Enough for Linux too. */
const memory = 256;
const timeoutMs = 120_000;

async function once(boot, protocol, bench) {
  const began = performance.now();
  const machine = new Guest(boot, { ...bench, memory });
  try {
    if (!(await firstAnswer(machine, timeoutMs, protocol)))
      throw new Error(`The guest did not answer:\n${machine.lastWords()}`);
    return (performance.now() - began) / 1000;
  } finally {
    await machine.stop();
  }
}

/** Seconds of each system, measured in turn so that a busy spell of the machine hits both. */
export async function bootTime(application, systems, bench) {
  const boots = await Promise.all(systems.map((system) => system.boot(application)));
  const times = systems.map(() => []);
  for (let round = 0; round < bench.rounds; round++)
    for (const [i, boot] of boots.entries()) times[i].push(await once(boot, protocolOf(application), bench));
  return times.map((values) => ({ value: median(values), values }));
}
