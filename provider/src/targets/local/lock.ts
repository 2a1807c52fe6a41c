import { link, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import * as path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { VisibleError } from "../../image/index.js";
import { startTime } from "./processes.js";

/**
 * Runs an action while no other process acts on the same thing. A holder that was killed holds nothing: the lock names its process and
 * when that started.
 */
export async function withLock<T>(
  file: string,
  options: { timeoutMs: number; signal?: AbortSignal | undefined },
  action: () => Promise<T>,
): Promise<T> {
  await mkdir(path.dirname(file), { recursive: true });
  await acquire(file, options);
  try {
    return await action();
  } finally {
    await rm(file, { force: true });
  }
}

async function acquire(file: string, options: { timeoutMs: number; signal?: AbortSignal | undefined }): Promise<void> {
  const folder = path.dirname(file);
  await removeAbandonedDrafts(folder);
  // No lock's name begins with a dot.
  const draft = path.join(folder, `.${process.pid}.${Math.random().toString(36).slice(2)}`);
  await writeFile(draft, JSON.stringify({ pid: process.pid, started: await startTime(process.pid) }));
  const deadline = performance.now() + options.timeoutMs;
  try {
    for (;;) {
      options.signal?.throwIfAborted();
      try {
        // Unlike opening with O_EXCL, a link makes the file appear with its content.
        await link(draft, file);
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
      const holder = await readHolder(file);
      if (holder === undefined) continue;
      if ((await startTime(holder.pid)) !== holder.started) {
        await breakLock(file, draft, holder);
        continue;
      }
      if (performance.now() >= deadline) {
        throw new VisibleError(
          `Process ${holder.pid} has been working on the same instance for ${Math.round(options.timeoutMs / 1000)} s. Try again when it has ended.`,
        );
      }
      await delay(50, undefined, options.signal && { signal: options.signal });
    }
  } finally {
    await rm(draft, { force: true });
  }
}

/** Removes the drafts of processes that were killed while they waited. */
async function removeAbandonedDrafts(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const [, pid] = /^\.(\d+)\./.exec(name) ?? [];
    if (pid !== undefined && (await startTime(Number(pid))) === undefined)
      await rm(path.join(folder, name), { force: true });
  }
}

interface Holder {
  pid: number;
  started?: string;
}

async function readHolder(file: string): Promise<Holder | undefined> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as Holder;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    return { pid: 0, started: "never" };
  }
}

/** Moves a dead holder's lock away, and puts it back when somebody else did the same first and holds it now. */
async function breakLock(file: string, draft: string, dead: Holder): Promise<void> {
  const aside = `${draft}.broken`;
  try {
    await rename(file, aside);
  } catch {
    return;
  }
  const moved = await readHolder(aside);
  if (moved !== undefined && (moved.pid !== dead.pid || moved.started !== dead.started))
    await link(aside, file).catch(() => undefined);
  await rm(aside, { force: true });
}
