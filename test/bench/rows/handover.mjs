// Instructions from a boot loader's first to the first of the application, and from the Linux kernel's first to its init's.
//
// Counted by a plugin for QEMU, with the guest's clock bound to the instructions (`-icount`), so that waits are the same in every run.
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";
import { inRoot } from "../../../scripts/lib/paths.mjs";
import { applications, imageOf } from "../applications.mjs";
import { bootSectorEntry, efiEntry, elfEntry, linuxEntry } from "../marks.mjs";
import { buildPlugin } from "../profile/plugin.mjs";

const require = createRequire(import.meta.url);
const { writeBootDisk } = require("../../../provider/dist/image/index.js");

const application = "c";
/** 2 to this power nanoseconds pass with each instruction: 125 million instructions a second, about what an emulated CPU does. */
const shift = 3;
const timeoutMs = 300_000;
const pollMs = 50;
const machine = [
  ...["-accel", "tcg", "-icount", `shift=${shift}`, "-machine", "q35", "-cpu", "max", "-m", "256", "-no-reboot"],
  ...["-nodefaults", "-no-user-config", "-display", "none"],
];
const ovmf = ["CODE", "VARS"].flatMap((part, unit) => [
  "-drive",
  `if=pflash,format=raw,unit=${unit},snapshot=on,file=/usr/share/OVMF/OVMF_${part}_4M.fd`,
]);
const diskOf = (file) => [
  ...["-drive", `if=none,id=disk,format=raw,snapshot=on,file=${file}`],
  ...["-device", "virtio-blk-pci,drive=disk"],
];

/** The instructions between two marks. */
async function count(start, end, args, plugin, folder) {
  const [out, console] = [path.join(folder, "instructions"), path.join(folder, "handover.log")];
  fs.rmSync(out, { force: true });
  const counter = ["-plugin", `${plugin},mode=between,start=${start},end=${end},out=${out}`];
  const qemu = spawn("qemu-system-x86_64", [...machine, "-serial", `file:${console}`, ...args, ...counter], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const ended = new Promise((resolve) => qemu.once("close", resolve));
  try {
    for (const deadline = performance.now() + timeoutMs; ; await sleep(pollMs)) {
      const text = fs.existsSync(out) ? fs.readFileSync(out, "utf8") : "";
      if (text.endsWith("\n")) return Number(text);
      if (qemu.exitCode !== null || performance.now() > deadline)
        throw new Error(`The guest has not come so far:\n${fs.readFileSync(console, "latin1").slice(-1000)}`);
    }
  } finally {
    qemu.kill("SIGKILL");
    await ended;
  }
}

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
  const { kernel, disk: root, extra, init } = await linux.boot(application);
  const there = await count(
    linuxEntry(kernel),
    elfEntry(init),
    ["-kernel", kernel, ...extra, ...diskOf(root)],
    plugin,
    folder,
  );
  return [here, there].map((instructions) => ({ value: instructions / 1e6 }));
}
