// Instructions from a boot loader's first to the first of the application, and from the Linux kernel's first to its init's.
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";
import { inRoot } from "../../../scripts/lib/paths.mjs";
import { applications, imageOf } from "../applications.mjs";
import { countInstructions, diskOf } from "../instructions.mjs";
import { bootSectorEntry, efiEntry, elfEntry, linuxEntry } from "../marks.mjs";
import { buildPlugin } from "../profile/plugin.mjs";

const require = createRequire(import.meta.url);
const { writeBootDisk } = require("../../../provider/dist/image/index.js");

const application = "c";
const ovmf = ["CODE", "VARS"].flatMap((part, unit) => [
  "-drive",
  `if=pflash,format=raw,unit=${unit},snapshot=on,file=/usr/share/OVMF/OVMF_${part}_4M.fd`,
]);
/** The instructions between two marks. */
const count = (start, end, args, plugin, folder) =>
  countInstructions(args, `${plugin},mode=between,start=${start},end=${end}`, folder, (written) =>
    written.endsWith("\n") ? Number(written) : undefined,
  );

/**
 * Millions of instructions under a firmware and under Linux, which is started without a loader of its own.
 * @param {"bios" | "uefi"} firmware
 */
export async function handOver(firmware, [, linux], { folder }) {
  const plugin = await buildPlugin(folder);
  const image = await imageOf(application);
  const disk = path.join(folder, "boot.raw");
  fs.rmSync(disk, { force: true });
  await writeBootDisk(image, "raw", disk);
  const { loaders } = image.kernel;
  const loader = firmware === "bios" ? bootSectorEntry(loaders.bios.path) : efiEntry(loaders.uefi.path);
  const program = elfEntry(inRoot(applications[application].spec.source.binary));
  const here = await count(loader, program, [...(firmware === "uefi" ? ovmf : []), ...diskOf(disk)], plugin, folder);
  const inMillions = (instructions) => ({ value: instructions / 1e6 });
  // Left out by `here`.
  if (linux === undefined) return [inMillions(here)];
  const { kernel, disk: root, extra, init } = await linux.boot(application);
  const there = await count(
    linuxEntry(kernel),
    elfEntry(init),
    ["-kernel", kernel, ...extra, ...diskOf(root)],
    plugin,
    folder,
  );
  return [here, there].map(inMillions);
}
