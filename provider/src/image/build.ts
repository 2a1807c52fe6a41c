import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Cache, writeSynced } from "./cache.js";
import { checkCommand } from "./command.js";
import { runtimeConfig } from "./config.js";
import { type WrittenDisk, writeDisk } from "./erofs/write.js";
import { bundledKernel, cachedKernel, cacheKernel, hasKernel, type KernelRecord, kernelRecord } from "./kernel.js";
import { applicationMemory, minimumMemory } from "./memory.js";
import type { RuntimeConfig } from "./runtime-config.js";
import { FIXED_TIME } from "./sources/directory.js";
import { resolveSource } from "./sources/resolve-source.js";
import type { ResolvedSource, SourceContext } from "./sources/source.js";
import { directory, type Directory } from "./tree.js";
import { treeDigest } from "./tree-digest.js";
import type { BuildContext, BuiltImage, Digest, ImageSpec } from "./types.js";
import { makeWorkingDirectory } from "./working-directory.js";

/** Part of every key: a change of how disks are made makes new ones. */
const BUILDER_VERSION = 1;
/** Part of the key of what a source and its settings give: a change of what is checked of them, or added to them, looks at all anew. */
const BUNDLE_VERSION = 1;
/** Where `config.json` lies among the layers: above them all. */
const CONFIG_LAYER = 1e9;

/** The part of an image that does not depend on the kernel. */
interface Bundle {
  /** Name of the disk in the cache: the digest of the tree in it. */
  disk: string;
  config: RuntimeConfig;
  exposedPorts: string[];
  applicationMemory: number;
}

/** What the cache keeps of an image. */
interface ImageRecord extends Bundle {
  minimumMemory: number;
  kernel: KernelRecord;
}

/**
 * Builds an image, or finds it in the cache when nothing that it is made of has changed.
 *
 * @throws {VisibleError} when the source cannot be made into an image; the message says why.
 */
export async function buildImage(spec: ImageSpec, context: BuildContext): Promise<BuiltImage> {
  context.signal?.throwIfAborted();
  const cache = await Cache.open(context.cacheDir);
  const kernel = await cacheKernel(context.kernel ?? (await bundledKernel()), cache);
  const source = await resolveSource(spec.source, { ...context, cache });
  const bundle = await buildBundle(spec, source, { ...context, cache });
  const record: ImageRecord = {
    ...bundle,
    minimumMemory: minimumMemory(kernel.memory, bundle.applicationMemory),
    kernel: kernelRecord(kernel),
  };
  const digest = imageDigest(await readDisk(cache, bundle.disk), record.kernel);
  const name = digest.slice("sha256:".length);
  if ((await cache.find("images", name)) === undefined) await cache.addJson("images", name, record);
  await cache.prune();
  return describe(digest, record, cache);
}

/**
 * The image of this digest, as it was built on this machine.
 *
 * @returns undefined when it, its disk or its kernel is no longer in the cache.
 */
export async function openImage(
  digest: Digest,
  context: Pick<BuildContext, "cacheDir"> = {},
): Promise<BuiltImage | undefined> {
  const cache = await Cache.open(context.cacheDir);
  const record = (await cache.findJson("images", digest.slice("sha256:".length))) as ImageRecord | undefined;
  if (!record) return undefined;
  const disk = await cache.find("disks", record.disk);
  return disk !== undefined && (await hasKernel(record.kernel, cache)) ? describe(digest, record, cache) : undefined;
}

async function buildBundle(spec: ImageSpec, source: ResolvedSource, context: SourceContext): Promise<Bundle> {
  const { cache } = context;
  // All but the source, which has a key of its own, and without regard to the order of the environment.
  const { source: _, env, ...settings } = spec;
  const sortedEnv = Object.entries(env ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const key = sha256(JSON.stringify([BUILDER_VERSION, BUNDLE_VERSION, source.key, sortedEnv, sorted(settings)]));
  const known = (await cache.findJson("results", key)) as Bundle | undefined;
  if (known && (await cache.find("disks", known.disk)) !== undefined) return known;

  const rootfs = await source.load();
  context.signal?.throwIfAborted();
  const config = runtimeConfig(spec, rootfs);
  makeWorkingDirectory(rootfs.tree, config);
  const program = checkCommand(rootfs.tree, config);
  const tree = bundleTree(rootfs.tree, config);
  const disk = sha256(`${BUILDER_VERSION} ${treeDigest(tree)}`);
  if ((await cache.find("disks", disk)) === undefined) await addDisk(disk, tree, source.name, context);
  const bundle: Bundle = {
    disk,
    config,
    exposedPorts: rootfs.defaults.exposedPorts,
    applicationMemory: applicationMemory(program),
  };
  await cache.addJson("results", key, bundle);
  return bundle;
}

function bundleTree(rootfs: Directory, config: RuntimeConfig): Directory {
  const data = Buffer.from(`${JSON.stringify(config, undefined, 2)}\n`);
  const root = directory({ mtime: FIXED_TIME });
  root.entries.set("rootfs", rootfs);
  root.entries.set("config.json", {
    type: "file",
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime: FIXED_TIME,
    mtimeNs: 0,
    size: data.length,
    content: { data },
    sha256: sha256(data),
    layer: CONFIG_LAYER,
  });
  return root;
}

const DISK_FILE = "disk.erofs";
const DISK_RECORD = "disk.json";

async function addDisk(name: string, tree: Directory, sourceName: string, context: SourceContext): Promise<void> {
  const { cache, signal, progress } = context;
  const message = `writing the disk for ${sourceName}`;
  progress?.({ step: "write", message });
  await cache.add("disks", name, async (folder) => {
    await mkdir(folder);
    const written = await writeDisk(join(folder, DISK_FILE), tree, name, {
      signal,
      progress: (done, total) => progress?.({ step: "write", message, bytes: { done, total } }),
    });
    await writeSynced(join(folder, DISK_RECORD), JSON.stringify(written));
  });
}

async function readDisk(cache: Cache, name: string): Promise<WrittenDisk> {
  return (await cache.findJson("disks", join(name, DISK_RECORD))) as WrittenDisk;
}

/** SHA-256 over the canonical JSON of the digests of the disk, the kernel and its boot loaders. */
function imageDigest(disk: WrittenDisk, { digest: kernel, loaders }: KernelRecord): Digest {
  return `sha256:${sha256(JSON.stringify({ disk: `sha256:${disk.sha256}`, kernel, loaders }))}`;
}

async function describe(digest: Digest, record: ImageRecord, cache: Cache): Promise<BuiltImage> {
  const { sha256, size } = await readDisk(cache, record.disk);
  return {
    digest,
    disk: join(cache.path("disks", record.disk), DISK_FILE),
    diskDigest: `sha256:${sha256}`,
    size,
    architecture: "x86_64",
    command: record.config.process.args,
    config: record.config,
    exposedPorts: record.exposedPorts,
    kernel: cachedKernel(record.kernel, cache),
    minimumMemory: record.minimumMemory,
  };
}

/** The properties by name, so that their order does not count. */
function sorted(settings: Omit<ImageSpec, "source" | "env">): [string, unknown][] {
  return Object.entries(settings)
    .filter(([, value]) => value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

function sha256(data: string | Buffer): string {
  return createHash("sha256").update(data).digest("hex");
}
