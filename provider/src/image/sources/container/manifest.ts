/**
 * The documents of a container image: index, manifest, configuration; OCI's and Docker's own, which have the same fields.
 *
 * @see https://github.com/opencontainers/image-spec/tree/v1.1.0
 */
import { VisibleError } from "../../errors.js";

export interface Descriptor {
  mediaType?: string;
  digest: string;
  size: number;
  platform?: { os?: string; architecture?: string; variant?: string };
  annotations?: Record<string, string>;
}

export interface Index {
  manifests: Descriptor[];
}

export interface Manifest {
  config: Descriptor;
  layers: Descriptor[];
}

export interface ImageConfiguration {
  os?: string;
  architecture?: string;
  author?: string;
  created?: string;
  config?: {
    Entrypoint?: string[] | null;
    Cmd?: string[] | null;
    Env?: string[] | null;
    User?: string;
    WorkingDir?: string;
    StopSignal?: string;
    ExposedPorts?: Record<string, unknown> | null;
    Labels?: Record<string, string> | null;
  };
  rootfs?: { type?: string; diff_ids?: string[] };
}

export const MANIFEST_TYPES = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.docker.distribution.manifest.v2+json",
];

/** Annotation of a manifest in an index: its tag. */
const REF_NAME = "org.opencontainers.image.ref.name";
/** Annotation that containerd and Docker use for the same: the whole reference. */
const CONTAINERD_NAME = "io.containerd.image.name";

export function parseJson(data: Buffer, what: string): unknown {
  try {
    return JSON.parse(data.toString("utf8"));
  } catch {
    throw new VisibleError(`${what} is damaged: it is not JSON.`);
  }
}

export function isIndex(document: unknown): document is Index {
  return typeof document === "object" && document !== null && Array.isArray((document as Index).manifests);
}

export function isManifest(document: unknown): document is Manifest {
  const manifest = document as Manifest | null;
  return typeof manifest === "object" && typeof manifest?.config?.digest === "string" && Array.isArray(manifest.layers);
}

/** The hexadecimal part of a digest. */
export function hexOf(digest: string, name: string): string {
  const [, hex] = /^sha256:([0-9a-f]{64})$/.exec(digest) ?? [];
  if (hex === undefined)
    throw new VisibleError(
      `${name} has the digest "${digest}", which is not a SHA-256 digest; only those are supported.`,
    );
  return hex;
}

/**
 * Picks the image for linux/amd64 from an index. Entries that do not say their platform may be it.
 *
 * @throws {VisibleError} that names the platforms there are.
 */
export function selectPlatform(index: Index, name: string): Descriptor[] {
  const candidates = index.manifests.filter(({ platform }) => platform === undefined || isWanted(platform));
  const exact = candidates.filter(({ platform }) => platform !== undefined);
  if (exact.length > 0) return exact;
  if (candidates.length > 0) return candidates;
  const platforms = index.manifests
    .map(({ platform }) => [platform?.os, platform?.architecture, platform?.variant].filter(Boolean).join("/"))
    .filter((platform) => platform !== "unknown/unknown");
  throw new VisibleError(
    `${name} has no image for linux/amd64, only for ${[...new Set(platforms)].join(", ") || "nothing"}.`,
  );
}

function isWanted({ os, architecture }: NonNullable<Descriptor["platform"]>): boolean {
  return os === "linux" && architecture === "amd64";
}

/** The entries of an index that carry a tag. */
export function selectTag(index: Index, tag: string | undefined, name: string): Index {
  if (tag === undefined) {
    const tags = new Set(index.manifests.map(tagOf).filter((tag) => tag !== undefined));
    if (tags.size <= 1) return index;
    throw new VisibleError(
      `"${name}" holds several images: ${[...tags].join(", ")}. Add one of these tags, as in "${name}:${[...tags][0]}".`,
    );
  }
  const manifests = index.manifests.filter((descriptor) => tagOf(descriptor) === tag);
  if (manifests.length > 0) return { manifests };
  const tags = index.manifests.map(tagOf).filter((tag) => tag !== undefined);
  throw new VisibleError(
    `"${name}" holds no image with the tag "${tag}"${tags.length > 0 ? `, only ${tags.join(", ")}` : ""}.`,
  );
}

function tagOf({ annotations }: Descriptor): string | undefined {
  const name = annotations?.[REF_NAME] ?? annotations?.[CONTAINERD_NAME];
  return name === undefined ? undefined : name.slice(name.lastIndexOf(":") + 1);
}

/** Makes sure that the image is for linux/amd64. */
export function checkPlatform(configuration: ImageConfiguration, name: string): void {
  const { os = "linux", architecture = "amd64" } = configuration;
  if (os !== "linux" || architecture !== "amd64")
    throw new VisibleError(`${name} has no image for linux/amd64, only for ${os}/${architecture}.`);
}
