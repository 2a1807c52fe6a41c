// A guest whose instructions a plugin for QEMU counts, with the guest's clock bound to them (`-icount`), so that waits are the same in every run.
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** 2 to this power nanoseconds pass with each instruction: 125 million instructions a second, about what an emulated CPU does. */
const shift = 3;
const timeoutMs = 600_000;
const pollMs = 50;
const machine = [
  ...["-accel", "tcg", "-icount", `shift=${shift}`, "-machine", "q35", "-cpu", "max", "-m", "256", "-no-reboot"],
  ...["-nodefaults", "-no-user-config", "-display", "none"],
];

/** Arguments for a disk. */
export const diskOf = (file) => [
  ...["-drive", `if=none,id=disk,format=raw,snapshot=on,file=${file}`],
  ...["-device", "virtio-blk-pci,drive=disk"],
];

/**
 * Runs a guest until the plugin and the console have said what is wanted.
 * @param {string[]} args What to boot.
 * @param {string} counter The plugin and its options but the file.
 * @param {(written: string, console: string) => T | undefined} done Undefined until what both have written is enough.
 * @returns {Promise<T>}
 * @template T
 */
export async function countInstructions(args, counter, folder, done) {
  const [out, console] = [path.join(folder, "instructions"), path.join(folder, "instructions.log")];
  for (const file of [out, console]) fs.rmSync(file, { force: true });
  const text = (file) => (fs.existsSync(file) ? fs.readFileSync(file, "latin1") : "");
  const qemu = spawn(
    "qemu-system-x86_64",
    [...machine, "-serial", `file:${console}`, ...args, "-plugin", `${counter},out=${out}`],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  const ended = new Promise((resolve) => qemu.once("close", resolve));
  try {
    for (const deadline = performance.now() + timeoutMs; ; await sleep(pollMs)) {
      const result = done(text(out), text(console));
      if (result !== undefined) return result;
      if (qemu.exitCode !== null || performance.now() > deadline)
        throw new Error(`The guest has not come so far:\n${text(console).slice(-1000)}`);
    }
  } finally {
    qemu.kill("SIGKILL");
    await ended;
  }
}
