import { open, stat } from "node:fs/promises";
import * as path from "node:path";
import { recognizeDisk, VisibleError, type Source } from "../image/index.js";
import { UsageError } from "./usage-error.js";

/** What a SOURCE on the command line turned out to be. */
export type Recognized =
  /** A finished disk. */
  | { disk: string }
  | {
      source: Source;
      /** Arguments for the application. */
      args: string[] | undefined;
    };

const ENTRY_POINT = /\.[cm]?[jt]s$/;

/**
 * Tells what a SOURCE is by looking at it: an OCI layout folder, an archive of an image, an executable, a disk, a program in TypeScript or
 * JavaScript, a folder, and a reference to a registry when there is no such file.
 *
 * @param rest - What follows `--`: the command in a folder, arguments for everything else.
 */
export async function recognizeSource(text: string, rest: string[], runtime: string | undefined): Promise<Recognized> {
  const args = rest.length > 0 ? rest : undefined;
  const found = await stat(text).catch(() => undefined);
  if (found === undefined) {
    if (await isTaggedLayout(text)) return { source: { container: asPath(text) }, args };
    if (/^(\.{0,2}\/|~)/.test(text) || ENTRY_POINT.test(text)) throw new VisibleError(`There is no "${text}".`);
    return { source: { container: text }, args };
  }
  if (found.isDirectory()) {
    if (await isLayout(text)) return { source: { container: asPath(text) }, args };
    if (rest.length === 0) {
      throw new UsageError(
        `"${text}" is a folder: say what to run in it after two dashes, as in \`unikernel run ${text} -- /bin/server --port 8080\`.${orReference(text)}`,
      );
    }
    return { source: { directory: text, command: rest }, args: undefined };
  }
  return recognizeFile(text, args, runtime);
}

async function recognizeFile(
  text: string,
  args: string[] | undefined,
  runtime: string | undefined,
): Promise<Recognized> {
  const start = await readStart(text);
  if (recognizeDisk(text) !== undefined) return { disk: text };
  if (start.subarray(0, 4).equals(Buffer.from("\x7fELF", "latin1"))) return { source: { binary: asPath(text) }, args };
  const isTar = start.subarray(257, 262).toString("latin1") === "ustar";
  const isCompressed = start.readUInt16BE(0) === 0x1f8b || (start.length >= 4 && start.readUInt32BE(0) === 0x28b52ffd);
  if (isTar || isCompressed) return { source: { container: asPath(text) }, args };
  if (ENTRY_POINT.test(text)) {
    if (runtime === undefined) {
      throw new UsageError(
        `"${text}" needs a Node.js to run on: give a folder or a container that has one with --runtime, as in \`--runtime node:22\`.`,
      );
    }
    return { source: { bundle: text, runtime }, args };
  }
  throw new VisibleError(
    `"${text}" is nothing that can be run: neither an executable (ELF), nor an archive of a container image, nor a disk, nor a program in TypeScript or JavaScript.${orReference(text)}`,
  );
}

async function readStart(file: string): Promise<Buffer> {
  const handle = await open(file, "r");
  try {
    const buffer = Buffer.alloc(2048);
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
    return bytesRead < 2 ? Buffer.alloc(2) : buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

async function isLayout(folder: string): Promise<boolean> {
  return stat(path.join(folder, "oci-layout")).then(
    () => true,
    () => false,
  );
}

/** A layout folder with the tag of one of its images. */
async function isTaggedLayout(text: string): Promise<boolean> {
  const colon = text.lastIndexOf(":");
  return colon > 0 && isLayout(text.slice(0, colon));
}

/** How to say that not the file is meant, but the image of that name in a registry, where the name could be one. */
function orReference(text: string): string {
  if (!/^[a-z0-9]+([._/-][a-z0-9]+)*(:[\w.-]+)?$/.test(text)) return "";
  const name = text.includes("/") ? text : `library/${text}`;
  return ` If you mean the image of that name in a registry, write it out: docker.io/${name}.`;
}

/** A text that no one takes for a reference. */
function asPath(text: string): string {
  return /^(\.{0,2}\/)/.test(text) ? text : `./${text}`;
}
