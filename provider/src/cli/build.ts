import { constants, copyFile, rename, rm } from "node:fs/promises";
import { inspectDisk, VisibleError } from "../image/index.js";
import { formatSize } from "./format.js";
import { environment, loadImage } from "./load.js";
import type { Command } from "./main.js";
import { UsageError } from "./usage-error.js";
import { interruptible } from "./interrupt.js";

/** `unikernel build` */
export const build: Command = {
  options: {
    output: { type: "string", short: "o" },
    env: { type: "string", short: "e", multiple: true },
    runtime: { type: "string" },
  },
  failure: 1,

  async main(invocation) {
    const output = invocation.values["output"] as string | undefined;
    if (output === undefined) throw new UsageError("Where is the disk to go? Name a file with -o.");
    return interruptible(async (signal) => {
      const { built } = await loadImage(invocation, signal, { env: environment(invocation.values["env"]) });
      if (built === undefined) throw new VisibleError(`"${invocation.source}" is a disk already.`);
      // In one step: nobody finds half a disk.
      const draft = `${output}.${process.pid}`;
      try {
        await copyFile(built.disk, draft, constants.COPYFILE_FICLONE);
        await rename(draft, output);
      } catch (error) {
        await rm(draft, { force: true });
        throw new VisibleError(`The disk cannot be written to "${output}": ${(error as Error).message}.`);
      }
      const { digest } = await inspectDisk(output);
      process.stdout.write(`${output}: ${formatSize(built.size)}, ${digest}\n`);
      return 0;
    });
  },
};
