import { createHash } from "node:crypto";
import { VisibleError } from "../../errors.js";
import { applyLayer } from "../../layers/apply.js";
import { type LayerBlob, type UnpackedLayer, unpackLayer } from "../../layers/unpack.js";
import { directory } from "../../tree.js";
import type { ImageDefaults, ResolvedSource, RootFileSystem, SourceContext } from "../source.js";
import {
  checkPlatform,
  type Descriptor,
  hexOf,
  type ImageConfiguration,
  type Index,
  isIndex,
  isManifest,
  type Manifest,
  parseJson,
  selectPlatform,
} from "./manifest.js";

/** How many layers are fetched and unpacked at the same time. */
const PARALLEL_LAYERS = 3;
const MAX_NESTED_INDEXES = 5;

/** Where the parts of a container image are. */
export interface BlobStore {
  /** What messages call the image. */
  readonly name: string;
  /** A small document: index, manifest or configuration. Its digest has been checked. */
  readDocument(descriptor: Descriptor, isManifest: boolean): Promise<Buffer>;
  /** A layer, as a part of a file of this host. `progress` is told how many of its bytes have arrived. */
  locate(
    descriptor: Descriptor,
    progress: (done: number) => void,
  ): Promise<Pick<LayerBlob, "path" | "offset" | "length" | "isDiffId">>;
}

/** Follows an index to the image for linux/amd64. */
export async function resolveImage(store: BlobStore, index: Index, context: SourceContext): Promise<ResolvedSource> {
  let candidates = selectPlatform(index, store.name);
  for (let depth = 0; depth < MAX_NESTED_INDEXES; depth++) {
    const [descriptor] = candidates;
    if (!descriptor) break;
    const document = parseJson(await store.readDocument(descriptor, true), `The manifest of ${store.name}`);
    if (isManifest(document)) return resolveManifest(store, document, descriptor.digest, context);
    if (!isIndex(document)) break;
    candidates = selectPlatform(document, store.name);
  }
  throw new VisibleError(`${store.name} is not a container image: its manifest is of a kind that is not known.`);
}

async function resolveManifest(
  store: BlobStore,
  manifest: Manifest,
  digest: string,
  context: SourceContext,
): Promise<ResolvedSource> {
  return {
    name: store.name,
    key: JSON.stringify(["container", digest]),
    load: async () => {
      const document = await store.readDocument(manifest.config, false);
      const configuration = parseJson(document, `The configuration of ${store.name}`) as ImageConfiguration;
      return loadImage(store, configuration, manifest.layers, context);
    },
  };
}

/** Unpacks an image's layers and lays them over each other. */
export async function loadImage(
  store: BlobStore,
  configuration: ImageConfiguration,
  layers: Descriptor[],
  context: SourceContext,
): Promise<RootFileSystem> {
  checkPlatform(configuration, store.name);
  const unsupported = layers.find(
    ({ mediaType }) => mediaType !== undefined && (/\+encrypted$/.test(mediaType) || !/tar|layer/.test(mediaType)),
  );
  if (unsupported)
    throw new VisibleError(
      `${store.name} is not a container image that can be unpacked: it has a layer of type "${unsupported.mediaType}".`,
    );

  const tree = directory();
  const names = layers.map(({ digest }) => `${digest.slice(0, "sha256:".length + 12)}… of ${store.name}`);
  const unpacked = await unpackLayers(store, layers, names, context);
  unpacked.forEach((layer, number) => applyLayer(tree, layer, number, names[number] as string));
  return { tree, defaults: imageDefaults(configuration) };
}

async function unpackLayers(
  store: BlobStore,
  layers: Descriptor[],
  names: string[],
  context: SourceContext,
): Promise<UnpackedLayer[]> {
  const total = layers.reduce((sum, { size }) => sum + size, 0);
  const pulled = layers.map(() => 0);
  const unpacked = layers.map(() => 0);
  const report = (step: "pull" | "unpack", counts: number[]): void =>
    context.progress?.({
      step,
      message: `${step === "pull" ? "pulling" : "unpacking"} ${store.name}`,
      bytes: { done: counts.reduce((sum, count) => sum + count, 0), total },
    });

  const results: UnpackedLayer[] = [];
  let next = 0;
  const failed = new AbortController();
  const signal = context.signal ? AbortSignal.any([context.signal, failed.signal]) : failed.signal;
  const work = async (): Promise<void> => {
    while (next < layers.length) {
      signal.throwIfAborted();
      const number = next++;
      const descriptor = layers[number] as Descriptor;
      const sha256 = hexOf(descriptor.digest, `A layer of ${store.name}`);
      const name = names[number] as string;
      const location = await store.locate(descriptor, (done) => {
        pulled[number] = done;
        report("pull", pulled);
      });
      const progress = (done: number): void => {
        unpacked[number] = done;
        report("unpack", unpacked);
      };
      results[number] = await unpackLayer({ ...location, sha256, name }, context.cache, { signal, progress });
    }
  };
  // When one layer fails, the others are stopped and waited for, and the first failure is the one that is told.
  let failure: unknown;
  const workers = Array.from({ length: Math.min(PARALLEL_LAYERS, layers.length) }, () =>
    work().catch((error: unknown) => {
      if (!failed.signal.aborted) failure = error;
      failed.abort();
    }),
  );
  await Promise.all(workers);
  if (failed.signal.aborted) throw failure;
  return results;
}

/** @see https://github.com/opencontainers/image-spec/blob/v1.1.0/conversion.md */
function imageDefaults(configuration: ImageConfiguration): ImageDefaults {
  const { Entrypoint, Cmd, Env, User, WorkingDir, StopSignal, ExposedPorts, Labels } = configuration.config ?? {};
  const exposedPorts = Object.keys(ExposedPorts ?? {}).sort();
  const facts: [name: string, value: string | undefined][] = [
    ["os", configuration.os],
    ["architecture", configuration.architecture],
    ["author", configuration.author],
    ["created", configuration.created],
    ["stopSignal", StopSignal],
    ["exposedPorts", exposedPorts.join(",")],
  ];
  const implied = facts
    .filter(([, value]) => value !== undefined && value !== "")
    .map(([name, value]) => [`org.opencontainers.image.${name}`, value]);
  const labels = Object.entries(Labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    entrypoint: Entrypoint ?? [],
    cmd: Cmd ?? [],
    env: Env ?? [],
    user: User ?? "",
    workingDir: WorkingDir ?? "",
    exposedPorts,
    annotations: { ...(Object.fromEntries(implied) as Record<string, string>), ...Object.fromEntries(labels) },
  };
}

/** Makes sure that a document is what its descriptor says. */
export function checkDocument(data: Buffer, descriptor: Descriptor, name: string): Buffer {
  const found = createHash("sha256").update(data).digest("hex");
  if (found === hexOf(descriptor.digest, name)) return data;
  throw new VisibleError(
    `${name} is damaged: the document ${descriptor.digest} does not match its digest (found sha256:${found}). Copy or pull the image again.`,
  );
}
