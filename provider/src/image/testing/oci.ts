import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type Header, pack } from "tar-stream";

/** A tar archive, made by a library so that our reader has something else than itself to agree with. */
export async function tar(entries: (Partial<Header> & { name: string; content?: string | Buffer })[]): Promise<Buffer> {
  const archive = pack();
  for (const { content, ...header } of entries) {
    archive.entry({ mtime: new Date(1_700_000_000_000), ...header }, content ?? "");
  }
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive as unknown as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export type Compression = "gzip" | "zstd" | "none";

export function compress(data: Buffer, compression: Compression): Buffer {
  if (compression === "none") return data;
  return compression === "gzip" ? gzipSync(data) : execFileSync("zstd", ["-q", "-c"], { input: data, maxBuffer: 1e9 });
}

export interface TestImage {
  layers: Buffer[];
  config?: object;
  platform?: { os: string; architecture: string };
  compression?: Compression;
}

/** Writes an OCI image layout. @returns the digests of the layers' blobs. */
export function writeLayout(
  folder: string,
  image: TestImage,
  options: { tag?: string; append?: object[] } = {},
): { layers: string[]; manifest: object } {
  const { layers, config = {}, platform = { os: "linux", architecture: "amd64" }, compression = "gzip" } = image;
  mkdirSync(join(folder, "blobs/sha256"), { recursive: true });
  const blob = (mediaType: string, data: Buffer): { mediaType: string; digest: string; size: number } => {
    const digest = createHash("sha256").update(data).digest("hex");
    writeFileSync(join(folder, "blobs/sha256", digest), data);
    return { mediaType, digest: `sha256:${digest}`, size: data.length };
  };
  const suffix = { gzip: "+gzip", zstd: "+zstd", none: "" }[compression];
  const layerBlobs = layers.map((layer) =>
    blob(`application/vnd.oci.image.layer.v1.tar${suffix}`, compress(layer, compression)),
  );
  const diffIds = layers.map((layer) => `sha256:${createHash("sha256").update(layer).digest("hex")}`);
  const document = { ...platform, config, rootfs: { type: "layers", diff_ids: diffIds } };
  const configBlob = blob("application/vnd.oci.image.config.v1+json", Buffer.from(JSON.stringify(document)));
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = { schemaVersion: 2, mediaType, config: configBlob, layers: layerBlobs };
  const annotations =
    options.tag === undefined ? {} : { annotations: { "org.opencontainers.image.ref.name": options.tag } };
  const descriptor = { ...blob(mediaType, Buffer.from(JSON.stringify(manifest))), platform, ...annotations };
  writeFileSync(join(folder, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(
    join(folder, "index.json"),
    JSON.stringify({ schemaVersion: 2, manifests: [...(options.append ?? []), descriptor] }),
  );
  return { layers: layerBlobs.map(({ digest }) => digest), manifest: descriptor };
}
