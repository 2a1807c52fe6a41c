import { rmSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { SIGNALS } from "./interrupt.js";

/**
 * Writes a file in one step: nobody finds half of it. What was begun is removed when the writing fails, and also when another signal after
 * the one that ends the work ends this process at once.
 *
 * @param write - Writes a file that does not exist yet.
 * @param signal - That of the work's `interruptible`.
 */
export async function writeAtOnce(
  file: string,
  signal: AbortSignal,
  write: (draft: string) => Promise<void>,
): Promise<void> {
  signal.throwIfAborted();
  const draft = `${file}.${process.pid}`;
  const end = (name: NodeJS.Signals): void => {
    rmSync(draft, { force: true });
    stop();
    process.kill(process.pid, name);
  };
  const listen = (): void => SIGNALS.forEach((name) => process.on(name, end));
  const stop = (): void => SIGNALS.forEach((name) => process.off(name, end));
  signal.addEventListener("abort", listen);
  try {
    await write(draft);
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  } finally {
    signal.removeEventListener("abort", listen);
    stop();
  }
}
