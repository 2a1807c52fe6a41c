// OCI image layouts of Debian packages and files, made without Docker. The same packages and files give the same digests.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { linkSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { run } from "./process.mjs";

/** What a running application has no use for. */
const trimmed = [
  ...["bash-completion", "doc", "info", "lintian", "locale", "man", "pixmaps", "systemtap"].map(
    (name) => `usr/share/${name}`,
  ),
  ...["var/cache/apt", "var/lib/apt", "var/lib/dpkg", "var/log/apt", "var/log/dpkg.log"],
  // mmdebstrap copies these from the machine it runs on, and the devices are the kernel's to provide.
  ...["etc/hostname", "etc/resolv.conf", "etc/apt", "etc/dpkg", "dev"],
];

/**
 * Downloads and unpacks packages of a suite of Debian's, and those that they depend on, into the folder `tree`. None of their scripts is run:
 * what these would have set up is the caller's to add.
 */
export async function unpackPackages(packages, tree, suite = "bookworm") {
  // Without root nothing needs to be run inside the tree: packages are only unpacked.
  const mode = process.getuid() === 0 ? "root" : "chrootless";
  const options = [`--mode=${mode}`, "--variant=extract", `--include=${packages.join(",")}`];
  await run("mmdebstrap", [...options, suite, tree], { quiet: true });
  for (const name of trimmed) rmSync(path.join(tree, name), { recursive: true, force: true });
  mkdirSync(path.join(tree, "dev"));
}

/**
 * Packs `tree` into the archive `file`: names in order, times and owners fixed. The time is not 0, which PHP's opcache takes for none.
 * @returns {Promise<Layer>}
 */
export async function packLayer(tree, file, { compress = false } = {}) {
  const mediaType = "application/vnd.oci.image.layer.v1.tar";
  await run("tar", [
    ...["--create", "--format=gnu", "--sort=name", "--mtime=@1", "--numeric-owner", "--owner=0", "--group=0"],
    ...["--file", file, "--directory", tree, "."],
  ]);
  const diffId = await sha256(file);
  if (!compress) return { file, mediaType, digest: diffId, diffId };
  await run("gzip", ["--no-name", file]);
  renameSync(`${file}.gz`, file);
  return { file, mediaType: `${mediaType}+gzip`, digest: await sha256(file), diffId };
}

/**
 * A layer of an image.
 * @typedef {object} Layer
 * @property {string} file
 * @property {string} mediaType
 * @property {string} digest Of the file.
 * @property {string} diffId Of the archive before its compression.
 */

/**
 * Writes the layout of an image of these layers, the lowest first, into a new folder. The layers' files are linked, not copied.
 * @param {object} config How a container of the image is run, as the OCI image specification has it.
 * @returns The digest of its manifest.
 */
export function writeLayout(folder, layers, config) {
  const blobs = path.join(folder, "blobs/sha256");
  mkdirSync(blobs, { recursive: true });
  const hex = (digest) => digest.slice("sha256:".length);
  const addJson = (value, mediaType) => {
    const data = Buffer.from(JSON.stringify(value, null, 2));
    const digest = `sha256:${createHash("sha256").update(data).digest("hex")}`;
    writeFileSync(path.join(blobs, hex(digest)), data);
    return { mediaType, digest, size: data.length };
  };
  const platform = { architecture: { x64: "amd64", arm64: "arm64" }[process.arch], os: "linux" };
  const rootfs = { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) };
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = {
    schemaVersion: 2,
    mediaType,
    config: addJson({ ...platform, config, rootfs }, "application/vnd.oci.image.config.v1+json"),
    layers: layers.map(({ file, mediaType, digest }) => {
      linkSync(file, path.join(blobs, hex(digest)));
      return { mediaType, digest, size: statSync(file).size };
    }),
  };
  const descriptor = addJson(manifest, mediaType);
  const annotations = { "org.opencontainers.image.ref.name": "latest" };
  const index = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: [{ ...descriptor, annotations, platform }],
  };
  writeFileSync(path.join(folder, "index.json"), JSON.stringify(index, null, 2));
  writeFileSync(path.join(folder, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  return descriptor.digest;
}

async function sha256(file) {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return `sha256:${hash.digest("hex")}`;
}
