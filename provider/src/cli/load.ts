import { resolve } from "node:path";
import {
  buildImage,
  bundledKernel,
  inspectDisk,
  VisibleError,
  type BuiltImage,
  type FileFormat,
  type ImageSpec,
} from "../image/index.js";
import type { InstanceSpec } from "../targets/local/index.js";
import type { Invocation } from "./main.js";
import { ProgressLine } from "./progress.js";
import { recognizeSource } from "./source.js";
import { UsageError } from "./usage-error.js";

/** An image that is ready to run. */
export interface Loaded {
  image: InstanceSpec["image"];
  /** Set when it was built just now or found in the cache, and not when it is a disk on its own. */
  built?: BuiltImage;
  /** Of a disk on its own. */
  format?: FileFormat;
  /** Replaces the image's own command line. */
  command?: string[];
}

/** The image of what SOURCE names: built, or found as it is. */
export async function loadImage(
  invocation: Invocation,
  signal: AbortSignal,
  spec: Omit<ImageSpec, "source"> = {},
): Promise<Loaded> {
  const runtime = invocation.values["runtime"] as string | undefined;
  const recognized = await recognizeSource(invocation.source, invocation.rest, runtime);
  if ("disk" in recognized) {
    if (Object.keys(spec).some((name) => name !== "env")) {
      throw new UsageError(
        `"${invocation.source}" is a disk already: --read-only, --tmpfs and --allow-exec-written are for when it is built.`,
      );
    }
    return openDisk(recognized.disk, invocation.rest);
  }
  const progress = new ProgressLine();
  try {
    const { source, args } = recognized;
    const built = await buildImage(
      { ...spec, source, args },
      { baseDir: process.cwd(), signal, progress: progress.report },
    );
    return { image: built, built };
  } finally {
    progress.clear();
  }
}

async function openDisk(file: string, args: string[]): Promise<Loaded> {
  const { config, digest, architecture, format } = await inspectDisk(file);
  const kernel = await bundledKernel();
  const image = { digest, architecture, disk: resolve(file), kernel, minimumMemory: 0 };
  const [program] = config.process.args;
  return args.length === 0 || program === undefined
    ? { image, format }
    : { image, format, command: [program, ...args] };
}

/** Environment variables from `KEY=VALUE` and `KEY`, whose value is taken from here. */
export function environment(texts: unknown): Record<string, string> {
  const env: Record<string, string> = {};
  for (const text of (texts ?? []) as string[]) {
    const [, name, value] = /^([^=]+)(?:=([\s\S]*))?$/.exec(text) ?? [];
    if (name === undefined) throw new UsageError(`"${text}" is no environment variable: write KEY=VALUE.`);
    const found = value ?? process.env[name];
    if (found === undefined)
      throw new VisibleError(`There is no environment variable ${name} here to pass on. Write ${name}=VALUE.`);
    env[name] = found;
  }
  return env;
}
