import { createHash } from "node:crypto";
import { constants, createReadStream } from "node:fs";
import { copyFile, stat } from "node:fs/promises";
import { DISK_FORMATS, type FileFormat, VisibleError, writeBootDisk } from "../image/index.js";
import { writeAtOnce } from "./draft.js";
import { formatSize } from "./format.js";
import { imageOptions, imageSettings } from "./image-options.js";
import { interruptible } from "./interrupt.js";
import { environment, loadImage } from "./load.js";
import type { Command } from "./main.js";
import { UsageError } from "./usage-error.js";

/** `unikernel build` */
export const build: Command = {
  options: {
    output: { type: "string", short: "o" },
    format: { type: "string", short: "f" },
    env: { type: "string", short: "e", multiple: true },
    runtime: { type: "string" },
    ...imageOptions,
  },
  failure: 1,

  async main(invocation) {
    const output = invocation.values["output"] as string | undefined;
    if (output === undefined) throw new UsageError("Where is the disk to go? Name a file with -o.");
    const format = formatOf(invocation.values["format"] as string | undefined, output);
    return interruptible(async (signal) => {
      const { values } = invocation;
      const spec = { env: environment(values["env"]), ...imageSettings(values) };
      const { built } = await loadImage(invocation, signal, spec);
      if (built === undefined) throw new VisibleError(`"${invocation.source}" is a disk already.`);
      try {
        await writeAtOnce(output, signal, async (draft) => {
          if (format === "erofs") await copyFile(built.disk, draft, constants.COPYFILE_FICLONE);
          else await writeBootDisk(built, format, draft, signal);
        });
      } catch (error) {
        if (error instanceof VisibleError || signal.aborted) throw error;
        throw new VisibleError(`The disk cannot be written to "${output}": ${(error as Error).message}.`);
      }
      process.stdout.write(`${output}: ${formatSize((await stat(output)).size)}, ${await digestOf(output)}\n`);
      return 0;
    });
  },
};

const FILE_FORMATS: FileFormat[] = [...DISK_FORMATS, "erofs"];
/** What a file's name says of its format. */
const ENDINGS: [ending: RegExp, format: FileFormat][] = [
  [/\.qcow2$/, "qcow2"],
  [/\.vmdk$/, "vmdk"],
  [/\.vhd$/, "vhd"],
  [/\.(tar\.gz|tgz)$/, "gce-tar"],
  [/\.erofs$/, "erofs"],
];

function formatOf(name: string | undefined, output: string): FileFormat {
  if (name === undefined) return ENDINGS.find(([ending]) => ending.test(output))?.[1] ?? "raw";
  const format = FILE_FORMATS.find((known) => known === name);
  if (format === undefined)
    throw new UsageError(`There is no disk format "${name}": it is one of ${FILE_FORMATS.join(", ")}.`);
  return format;
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return `sha256:${hash.digest("hex")}`;
}
