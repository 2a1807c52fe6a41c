import * as path from "node:path";
import { buildImage, openImage, VisibleError, type BuiltImage, type ImageSpec } from "../image/index.js";
import type { ImageInputs, ImageOutputs, TmpfsMount } from "./image-properties.js";
import type { CheckFailure, CheckResult, Context, ResourceDefinition } from "./resource.js";
import { parseSize } from "./units.js";
import { validateInputs } from "./validate.js";
import { hasUnknown, UNKNOWN, unknownPlaces } from "./values.js";

export const IMAGE_TOKEN = "unikernel:index:Image";

/** The checked inputs: what the program wrote, and what building it gave. */
export type CheckedImage = ImageInputs & ImageOutputs;

const OUTPUTS = [
  "digest",
  "size",
  "architecture",
  "commandLine",
  "kernelVersion",
  "exposedPorts",
] as const satisfies (keyof ImageOutputs)[];

/** The forms of a source, by the property that makes each out, with the others that belong to it. */
const SOURCE_FORMS: Record<string, { needs: string[]; takes: string[] }> = {
  container: { needs: [], takes: [] },
  binary: { needs: [], takes: [] },
  directory: { needs: ["command"], takes: ["command"] },
  bundle: { needs: ["runtime"], takes: ["runtime"] },
};

/**
 * An image. It is built in `check`, into the cache of this machine: a preview shows whether it changes, and whatever runs it finds it
 * there. Its digest is all there is to it, so a change is an update, and deleting it leaves the cache, which other stacks share, alone.
 */
export const imageResource: ResourceDefinition<CheckedImage, CheckedImage> = {
  token: IMAGE_TOKEN,

  async check(_old, news, context): Promise<CheckResult> {
    const failures = [...validateInputs(IMAGE_TOKEN, news), ...checkSource(news["source"])];
    const inputs: Record<string, unknown> = { ...news };
    if (failures.length > 0) return { inputs, failures };
    inputs["source"] = relativeSource(news["source"], context.baseDir);

    const unknown = unknownPlaces(news);
    if (unknown.length > 0) {
      context.notice(`not built yet: ${unknown.join(", ")} will be known only during the update`, "info");
      return { inputs: { ...inputs, ...pendingOutputs() }, failures };
    }
    if (context.preview && news["buildOnPreview"] === false)
      return { inputs: { ...inputs, ...pendingOutputs() }, failures };
    try {
      return { inputs: { ...inputs, ...outputsOf(await build(inputs as unknown as ImageInputs, context)) }, failures };
    } catch (error) {
      if (!(error instanceof VisibleError)) throw error;
      return { inputs, failures: [{ property: "", reason: error.message }] };
    }
  },

  async diff(_id, old, news) {
    return { changes: hasUnknown(news.digest) || old.digest !== news.digest, replaces: [], deleteBeforeReplace: false };
  },

  async create(inputs, context) {
    // Tells this resource from others for as long as it lives; the content that it was first made of gave it its name.
    return {
      id: `image-${inputs.digest.slice("sha256:".length).slice(0, 12)}`,
      state: await ensureBuilt(inputs, context),
    };
  },

  async read(_id, state) {
    return state;
  },

  async update(_id, _old, news, context) {
    return ensureBuilt(news, context);
  },

  async delete() {
    // The cache is pruned by age, not by stack.
  },
};

/** Sees that the image which `check` built is there; it may have been pruned since. */
async function ensureBuilt(inputs: CheckedImage, context: Context): Promise<CheckedImage> {
  if ((await openImage(inputs.digest, {})) !== undefined) return inputs;
  const built = await build(inputs, context);
  if (built.digest !== inputs.digest) {
    throw new VisibleError("The image's source changed while the update was running. Run the update again.");
  }
  return inputs;
}

async function build(inputs: ImageInputs, context: Context): Promise<BuiltImage> {
  const { source, env, command, args, workingDir, user, hostname, readOnlyRoot, allowExecWritten } = inputs;
  const tmpfs = inputs.tmpfs?.map((mount) => ({ ...mount, size: sizeOf(mount) }));
  const spec: ImageSpec = {
    source,
    env,
    command,
    args,
    workingDir,
    user,
    hostname,
    readOnlyRoot,
    tmpfs,
    allowExecWritten,
  };
  return buildImage(spec, {
    baseDir: context.baseDir,
    signal: context.signal,
    progress: ({ message, bytes }) => context.status(bytes === undefined ? message : `${message} (${percent(bytes)})`),
  });
}

function sizeOf({ path: place, size }: TmpfsMount): number | undefined {
  if (size === undefined) return undefined;
  const bytes = parseSize(size);
  if (bytes !== undefined) return bytes;
  throw new VisibleError(`"${size}" is no size for the tmpfs at "${place}": write "64 MiB", or a number of bytes.`);
}

function percent({ done, total }: { done: number; total: number }): string {
  return `${total === 0 ? 100 : Math.floor((done * 100) / total)} %`;
}

function outputsOf(image: BuiltImage): ImageOutputs {
  return {
    digest: image.digest,
    size: image.size,
    architecture: image.architecture,
    commandLine: image.command,
    kernelVersion: image.kernel.version,
    exposedPorts: image.exposedPorts,
  };
}

function pendingOutputs(): Record<string, unknown> {
  return Object.fromEntries(OUTPUTS.map((name) => [name, UNKNOWN]));
}

function checkSource(source: unknown): CheckFailure[] {
  if (typeof source !== "object" || source === null || Array.isArray(source)) return [];
  const forms = Object.keys(SOURCE_FORMS).filter((form) => form in source);
  const [form] = forms;
  if (form === undefined || forms.length > 1) {
    const found = forms.length === 0 ? "none of them" : forms.map((name) => `"${name}"`).join(" and ");
    return [
      {
        property: "source",
        reason: `"source" must have exactly one of "container", "binary", "directory" and "bundle", but has ${found}.`,
      },
    ];
  }
  const { needs, takes } = SOURCE_FORMS[form] ?? { needs: [], takes: [] };
  const missing = needs.filter((name) => !(name in source));
  const strange = Object.keys(source).filter(
    (name) => name !== form && !takes.includes(name) && isSourceProperty(name),
  );
  return [
    ...missing.map((name) => ({
      property: `source.${name}`,
      reason: `"source.${name}" is missing: a source with "${form}" needs it.`,
    })),
    ...strange.map((name) => ({
      property: `source.${name}`,
      reason: `"source.${name}" has no meaning in a source with "${form}".`,
    })),
  ];
}

/** Whether some form of source has this property; one that none has is reported as unknown already. */
function isSourceProperty(name: string): boolean {
  return Object.entries(SOURCE_FORMS).some(([form, { takes }]) => form === name || takes.includes(name));
}

/** The source with absolute paths made relative to the project, so that the state means the same on every machine. */
function relativeSource(source: unknown, baseDir: string): unknown {
  if (typeof source !== "object" || source === null) return source;
  const relative = (value: unknown): unknown => {
    if (typeof value !== "string" || !path.isAbsolute(value)) return value;
    const result = path.relative(baseDir, value);
    return result.startsWith("..") ? result : `./${result}`;
  };
  const paths = ["container", "binary", "directory", "bundle", "runtime"];
  return Object.fromEntries(
    Object.entries(source).map(([key, value]) => [key, paths.includes(key) ? relative(value) : (value as unknown)]),
  );
}
