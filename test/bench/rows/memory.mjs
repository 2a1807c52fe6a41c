// The least memory, in whole MiB, in which a guest serves a thousand requests.
import { Guest } from "../guest.mjs";
import { firstAnswer, serves } from "../probe.mjs";

const requests = 1000;
/** Where the search begins, in MiB. */
const range = { least: 1, most: 512 };
/** A guest that is short of memory may thrash instead of dying: many times what it takes with plenty. */
const timeoutMs = 60_000;

async function suffices(boot, memory, bench) {
  const machine = new Guest(boot, { ...bench, memory });
  try {
    return (await firstAnswer(machine, timeoutMs)) && (await serves(machine, requests, timeoutMs));
  } finally {
    await machine.stop();
  }
}

async function least(boot, bench) {
  let { least: low, most: high } = range;
  // Doubling first: a guest far too small ends at once, one with plenty answers at once.
  for (let memory = 8; memory < high; memory *= 2) {
    if (await suffices(boot, memory, bench)) high = memory;
    else low = memory + 1;
  }
  while (low < high) {
    const middle = (low + high) >> 1;
    if (await suffices(boot, middle, bench)) high = middle;
    else low = middle + 1;
  }
  return high;
}

/** MiB of each system. */
export async function leastMemory(application, systems, bench) {
  const results = [];
  for (const system of systems) results.push({ value: await least(await system.boot(application), bench) });
  return results;
}
