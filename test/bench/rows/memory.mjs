// The least memory, in whole MiB, in which a guest serves a thousand requests.
import { protocolOf } from "../applications.mjs";
import { Guest } from "../guest.mjs";
import { firstAnswer, serves } from "../probe.mjs";

const requests = 1000;
/** Plenty for every system, in MiB. */
const plenty = 512;
/** A guest that is short of memory may thrash instead of dying: many times what it takes with plenty. */
const patience = 5;
const timeoutMs = { first: 120_000, least: 10_000 };

/** Milliseconds until a guest has served all requests, or undefined when it does not. */
async function serve(boot, memory, limitMs, { protocol, ...bench }) {
  const began = performance.now();
  const left = () => began + limitMs - performance.now();
  const machine = new Guest(boot, { ...bench, memory });
  try {
    const served =
      (await firstAnswer(machine, left(), protocol)) &&
      (await serves(machine, requests, Math.max(left(), 1), protocol));
    return served ? performance.now() - began : undefined;
  } finally {
    await machine.stop();
  }
}

async function least(boot, bench) {
  const usual = await serve(boot, plenty, timeoutMs.first, bench);
  if (usual === undefined) throw new Error(`The guest does not serve ${requests} requests even with ${plenty} MiB.`);
  const limitMs = Math.max(timeoutMs.least, patience * usual);
  const suffices = async (memory) => (await serve(boot, memory, limitMs, bench)) !== undefined;
  // Halving first: a size that is too small takes many times as long as one that suffices.
  let high = plenty;
  while (high > 1 && (await suffices(high >> 1))) high >>= 1;
  let low = (high >> 1) + 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (await suffices(middle)) high = middle;
    else low = middle + 1;
  }
  return high;
}

/** MiB of each system. */
export async function leastMemory(application, systems, bench) {
  const results = [];
  const how = { ...bench, protocol: protocolOf(application) };
  for (const system of systems) results.push({ value: await least(await system.boot(application), how) });
  return results;
}
