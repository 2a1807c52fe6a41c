// Instructions that the things take which applications ask most of a kernel, in user mode and in the kernel.
import { imageOf } from "../applications.mjs";
import { countInstructions, diskOf } from "../instructions.mjs";
import { buildPlugin } from "../profile/plugin.mjs";

const application = "operations";
/** The first bytes of the program's `mark`. */
const mark = "b86d61726bb96174696f";

/** What was counted by a guest that has come to its end, as [name, instructions of one]. */
function parse(written, console) {
  if (!/^@end/m.test(console)) return undefined;
  const counts = written.trim().split("\n").map(Number);
  return [...console.matchAll(/^@operation (.+) (\d+)\r?$/gm)].map(([, name, times], i) => [
    name,
    (counts[2 * i + 1] - counts[2 * i]) / Number(times),
  ]);
}

/**
 * Instructions of each operation under each system.
 * @returns {Promise<Map<string, number>[]>}
 */
export async function operationCosts(systems, { folder }) {
  await imageOf(application);
  const plugin = await buildPlugin(folder);
  const costs = [];
  for (const system of systems) {
    const { kernel, disk, extra = [] } = await system.boot(application);
    const args = ["-kernel", kernel, ...extra, ...diskOf(disk), "-netdev", "user,id=net,restrict=on"];
    args.push("-device", "virtio-net-pci,netdev=net,romfile=");
    costs.push(new Map(await countInstructions(args, `${plugin},mode=marks,start=${mark}`, folder, parse)));
  }
  return costs;
}
