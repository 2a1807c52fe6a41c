import { inspectDisk, type DiskDescription } from "../image/index.js";
import { formatCommand, formatSize } from "./format.js";
import { interruptible } from "./interrupt.js";
import { loadImage } from "./load.js";
import type { Command } from "./main.js";

/** How many files are shown unless all are asked for. */
const LARGEST = 10;

/** `unikernel inspect` */
export const inspect: Command = {
  options: {
    json: { type: "boolean" },
    files: { type: "boolean" },
    runtime: { type: "string" },
  },
  failure: 1,

  async main(invocation) {
    return interruptible(async (signal) => {
      const { image, built } = await loadImage(invocation, signal);
      const disk = await inspectDisk(image.disk);
      const facts = {
        // A disk on its own has no kernel, so only what was built has an image's digest.
        ...(built && {
          image: { digest: built.digest, kernel: built.kernel.version, minimumMemory: built.minimumMemory },
        }),
      };
      const json = invocation.values["json"] === true;
      process.stdout.write(
        json
          ? `${JSON.stringify({ ...facts, ...disk }, undefined, 2)}\n`
          : describe(disk, facts, invocation.values["files"] === true),
      );
      return 0;
    });
  },
};

interface Facts {
  image?: { digest: string; kernel: string; minimumMemory: number };
}

function describe(disk: DiskDescription, { image }: Facts, all: boolean): string {
  const { process: application } = disk.config;
  const files = disk.files.filter((file) => file.type === "file");
  const rows: [string, string][] = [
    ["Command", formatCommand(application.args)],
    ["Directory", application.cwd],
    ["User", `${application.user.uid}:${application.user.gid}`],
    ...(application.env ?? []).map((entry, i): [string, string] => [i === 0 ? "Environment" : "", entry]),
    ["Architecture", disk.architecture],
    ...(image === undefined
      ? []
      : ([
          ["Image", image.digest],
          ["Kernel", image.kernel],
          ["Memory", `${formatSize(image.minimumMemory)} at least`],
        ] as [string, string][])),
    ["Disk", `${formatSize(disk.size)}, ${disk.format}, ${disk.digest}`],
    [
      "Files",
      `${files.length} of ${disk.files.length} entries, ${formatSize(files.reduce((sum, file) => sum + file.size, 0))}`,
    ],
  ];
  const shown = all ? disk.files : [...files].sort((a, b) => b.size - a.size).slice(0, LARGEST);
  const lines = rows.map(([name, text]) => `${name.padEnd(14)}${text}`);
  const listing = shown.map(
    (file) =>
      `  ${formatSize(file.size).padStart(12)}  ${file.path.replace(/^\/rootfs(?=\/)/, "")}${file.target === undefined ? "" : ` -> ${file.target}`}`,
  );
  const heading = all || files.length <= LARGEST ? [] : [`The largest ${LARGEST} (--files shows all):`];
  return [...lines, ...heading, ...listing, ""].join("\n");
}
