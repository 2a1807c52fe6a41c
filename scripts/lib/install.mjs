// Putting a tool into the cache whole or not at all.
import { mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import path from "node:path";

function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/**
 * Lets `fill` fill a new folder, which becomes `folder` once it is complete. Two processes may do so at once; what a
 * killed one left behind is removed.
 * @param {string} folder
 * @param {(partial: string) => Promise<void>} fill
 */
export async function installInto(folder, fill) {
  const parent = path.dirname(folder);
  mkdirSync(parent, { recursive: true });
  for (const name of readdirSync(parent)) {
    const pid = /\.partial-(\d+)$/.exec(name)?.[1];
    if (pid && !isRunning(Number(pid))) rmSync(path.join(parent, name), { recursive: true, force: true });
  }
  const partial = `${folder}.partial-${process.pid}`;
  try {
    mkdirSync(partial);
    await fill(partial);
    rmSync(folder, { recursive: true, force: true });
    renameSync(partial, folder);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}
