// Instructions that the things take which applications ask most of a kernel, in user mode and in the kernel.
import { imageOf } from "../applications.mjs";
import { countInstructions, diskOf } from "../instructions.mjs";
import { buildPlugin } from "../profile/plugin.mjs";

const application = "operations";
/** The first bytes of the program's `mark`. */
const mark = "b86d61726bb96174696f";

const ofConsole = (console) =>
  /^@end/m.test(console)
    ? [...console.matchAll(/^@operation (.+) (\d+)\r?$/gm)].map(([, name, times]) => ({ name, times: Number(times) }))
    : undefined;

/** What was counted by a guest that has come to its end, as [name, instructions of one]. */
function parse(written, console) {
  const counts = written.trim().split("\n").map(Number);
  return ofConsole(console)?.map(({ name, times }, i) => [name, (counts[2 * i + 1] - counts[2 * i]) / times]);
}

/** Boots the program under a system, on so many CPUs, and counts with the plugin. */
async function count(system, plugin, options, folder, done, cpus = 1) {
  const { kernel, disk, extra = [] } = await system.boot(application);
  const args = ["-kernel", kernel, ...extra, ...diskOf(disk), "-netdev", "user,id=net,restrict=on"];
  args.push("-device", "virtio-net-pci,netdev=net,romfile=", "-smp", String(cpus));
  return countInstructions(args, `${plugin},start=${mark},${options}`, folder, done);
}

/**
 * Instructions of each operation under each system.
 * @returns {Promise<Map<string, number>[]>}
 */
export async function operationCosts(systems, { folder }) {
  await imageOf(application);
  const plugin = await buildPlugin(folder);
  const costs = [];
  for (const system of systems) costs.push(new Map(await count(system, plugin, "mode=marks", folder, parse)));
  return costs;
}

/** The operation that keeps all CPUs busy. */
const onAllCpus = "mixed calls";

/**
 * How many times the instructions a call takes on so many CPUs that it takes on one: what CPUs spend on each other. Linux does not come to
 * its first program with several CPUs whose clock is bound to their instructions.
 */
export async function scaling(system, cpus, { folder }) {
  await imageOf(application);
  const plugin = await buildPlugin(folder);
  const cost = async (number) =>
    new Map(await count(system, plugin, "mode=marks", folder, parse, number)).get(onAllCpus);
  const one = await cost(1);
  return (await cost(cpus)) / one;
}

/**
 * What the plugin wrote of one operation, the first whose name begins so, and how often it was done.
 * @returns {Promise<{ name: string, times: number, written: string } | undefined>} Nothing when there is none.
 */
export async function operationProfile(system, wanted, plugin, folder, cpus) {
  const told = (_written, console) => ofConsole(console);
  const all = await count(system, plugin, "mode=marks", folder, told, cpus);
  const index = all.findIndex(({ name }) => name.startsWith(wanted));
  if (index < 0) return undefined;
  const counted = (text, console) => (ofConsole(console) ? text : undefined);
  const written = await count(system, plugin, `mode=count,from=${2 * index}`, folder, counted, cpus);
  return { ...all[index], written };
}
