// Makes ./image, an OCI image layout with Ruby, Puma, Sinatra and the application, without Docker: mmdebstrap downloads
// and unpacks Debian's packages, and two layers are written from the result, one with the packages and one with ./app.
// The same packages and files give the same digest. Does nothing when neither this script nor ./app has changed;
// `--force` makes the image anew, with Debian's newest packages.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = path.dirname(fileURLToPath(import.meta.url));
const image = path.join(here, "image");
const partial = path.join(here, `.image-${process.pid}`);
const suite = "bookworm";
const packages = ["ruby", "puma", "ruby-sinatra"];
const user = { name: "app", id: 1000 };
/** Folders that a running application has no use for. */
const trimmed = [
  "usr/share/doc",
  "usr/share/man",
  "usr/share/lintian",
  "usr/share/bash-completion",
  "usr/share/pixmaps",
  "usr/share/systemtap",
  "var/cache",
  "var/lib/apt",
  "var/lib/dpkg",
  "var/log",
];

const sha256 = (data) => `sha256:${createHash("sha256").update(data).digest("hex")}`;

function run(program, args) {
  const result = spawnSync(program, args, { stdio: ["ignore", "pipe", "pipe"], maxBuffer: 1 << 30 });
  if (result.error) throw new Error(`${program} cannot be started: ${result.error.message}. Is it installed?`);
  if (result.status !== 0) throw new Error(`${program} failed:\n${result.stderr}`);
  return result.stdout;
}

/** Everything the image is made of but Debian's packages themselves. */
function fingerprint() {
  const hash = createHash("sha256").update(fs.readFileSync(fileURLToPath(import.meta.url)));
  for (const file of fs.readdirSync(path.join(here, "app")).sort())
    hash.update(`\0${file}\0`).update(fs.readFileSync(path.join(here, "app", file)));
  return hash.digest("hex");
}

function unpackPackages(tree) {
  // Without root nothing needs to be run inside the tree: packages are only unpacked.
  const mode = process.getuid() === 0 ? "root" : "chrootless";
  run("mmdebstrap", [`--mode=${mode}`, "--variant=extract", `--include=${packages.join(",")}`, suite, tree]);
  for (const folder of trimmed) fs.rmSync(path.join(tree, folder), { recursive: true, force: true });
  // mmdebstrap copies these from the machine it runs on, and the devices are the kernel's to provide.
  for (const file of ["etc/hostname", "etc/resolv.conf", "etc/apt", "etc/dpkg", "dev"])
    fs.rmSync(path.join(tree, file), { recursive: true, force: true });
  fs.mkdirSync(path.join(tree, "dev"));
}

function addApplication(tree) {
  fs.cpSync(path.join(here, "app"), path.join(tree, "app"), { recursive: true });
  fs.mkdirSync(path.join(tree, "etc"));
  const { name, id } = user;
  const passwd = `root:x:0:0:root:/root:/usr/sbin/nologin\n${name}:x:${id}:${id}::/app:/usr/sbin/nologin\n`;
  fs.writeFileSync(path.join(tree, "etc/passwd"), passwd);
  fs.writeFileSync(path.join(tree, "etc/group"), `root:x:0:\n${name}:x:${id}:\n`);
  // The umask of whoever runs this is no part of the image.
  run("chmod", ["-R", "u=rwX,go=rX", tree]);
}

/** A layer of `tree`: names in order, times and owners fixed, so that the same files give the same bytes. */
function layer(tree) {
  const tar = run("tar", [
    ...["--create", "--format=gnu", "--sort=name", "--mtime=@0", "--numeric-owner", "--owner=0", "--group=0"],
    ...["--directory", tree, "."],
  ]);
  return { diffId: sha256(tar), blob: gzipSync(tar, { level: 6 }) };
}

function writeBlob(data, mediaType) {
  const digest = sha256(data);
  fs.writeFileSync(path.join(partial, "blobs/sha256", digest.slice("sha256:".length)), data);
  return { mediaType, digest, size: data.length };
}

const json = (value) => Buffer.from(JSON.stringify(value, null, 2));

function writeLayout(layers) {
  fs.mkdirSync(path.join(partial, "blobs/sha256"), { recursive: true });
  const architecture = { x64: "amd64", arm64: "arm64" }[process.arch];
  const config = {
    architecture,
    os: "linux",
    config: {
      User: user.name,
      ExposedPorts: { "8080/tcp": {} },
      Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"],
      Cmd: ["puma", "--config", "puma.rb"],
      WorkingDir: "/app",
    },
    rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
  };
  const manifest = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: writeBlob(json(config), "application/vnd.oci.image.config.v1+json"),
    layers: layers.map(({ blob }) => writeBlob(blob, "application/vnd.oci.image.layer.v1.tar+gzip")),
  };
  const descriptor = writeBlob(json(manifest), manifest.mediaType);
  const annotations = { "org.opencontainers.image.ref.name": "latest" };
  const index = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: [{ ...descriptor, annotations, platform: { architecture, os: "linux" } }],
  };
  fs.writeFileSync(path.join(partial, "index.json"), json(index));
  fs.writeFileSync(path.join(partial, "oci-layout"), json({ imageLayoutVersion: "1.0.0" }));
  return descriptor.digest;
}

const stamp = path.join(here, ".image.stamp");
const print = fingerprint();
const current = fs.existsSync(image) && fs.existsSync(stamp) && fs.readFileSync(stamp, "utf8") === print;
if (!current || process.argv.includes("--force")) {
  try {
    const [base, application] = ["base", "application"].map((name) => path.join(partial, name));
    fs.mkdirSync(application, { recursive: true });
    unpackPackages(base);
    addApplication(application);
    const layers = [base, application].map(layer);
    const digest = writeLayout(layers);
    for (const tree of [base, application]) fs.rmSync(tree, { recursive: true });
    fs.rmSync(image, { recursive: true, force: true });
    fs.renameSync(partial, image);
    fs.writeFileSync(stamp, print);
    console.log(`${path.relative(process.cwd(), image)}: ${digest}`);
  } catch (error) {
    console.error(`error: The example's container image cannot be made: ${error.message}`);
    process.exitCode = 1;
  } finally {
    fs.rmSync(partial, { recursive: true, force: true });
  }
}
