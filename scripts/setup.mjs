// Installs what a command of this project needs and is not there yet. Takes a fraction of a second when nothing is missing.
//
//   node scripts/setup.mjs [start|test|bench|suites|plugins]
import path from "node:path";
import { pathToFileURL } from "node:url";
import { main, VisibleError } from "./lib/terminal.mjs";
import { aptInstall } from "./tools/apt.mjs";
import { fakeGcsServer } from "./tools/fake-gcs-server.mjs";
import { moto } from "./tools/moto.mjs";
import { nodeModules } from "./tools/node-modules.mjs";
import { pulumi } from "./tools/pulumi.mjs";
import { rust } from "./tools/rust.mjs";

/** What Debian packages are needed for. */
const guests = { why: "guests run in QEMU", packages: ["qemu-system-x86", "seabios"] };
const exampleImage = {
  why: "the example's container image is made of Debian packages",
  // The keyring is there on Debian, not on Ubuntu.
  packages: ["mmdebstrap", "debian-archive-keyring"],
};
const buildScripts = { why: "the kernel's build scripts are linked with it", packages: ["gcc", "libc6-dev"] };
const guestPrograms = { why: "test guests are compiled with it", packages: ["g++", "musl-tools", "libsqlite3-dev"] };
const guestContainers = {
  why: "test containers are set up with it",
  // The container's own Java cannot compile for it: PRoot does not know statx.
  packages: ["proot", "openjdk-17-jre-headless", "python3-pip"],
};
const judges = {
  why: "the tests compare with it",
  packages: ["erofs-utils", "docker-registry", "apache2-utils", "skopeo", "umoci", "openssl", "python3-venv"],
};
const clients = {
  why: "the tests use servers in guests with it",
  packages: ["libmemcached-tools", "postgresql-client", "redis-tools"],
};
const network = {
  why: "the tests let the kernel's network meet Linux's with it",
  packages: ["iproute2", "dnsmasq-base", "curl"],
};
const terminals = { why: "the tests sit at a terminal with it", packages: ["bsdutils", "coreutils", "bash"] };
const disks = {
  why: "the tests check and boot disks with it",
  packages: ["ovmf", "qemu-utils", "gdisk", "fdisk", "parted", "dosfstools", "mtools", "genisoimage"],
};
const servers = { why: "a server of AWS's APIs is installed with it", packages: ["python3-venv"] };
const benchmark = {
  why: "the benchmark measures with it",
  packages: ["wrk", "redis-tools", "ovmf", "iproute2", "dnsmasq-base"],
};

const needs = {
  start: [guests, exampleImage, buildScripts],
  test: [
    guests,
    exampleImage,
    buildScripts,
    guestPrograms,
    guestContainers,
    judges,
    clients,
    network,
    terminals,
    disks,
  ],
  bench: [guests, exampleImage, buildScripts, guestPrograms, guestContainers, benchmark],
  suites: [guests, exampleImage, buildScripts, guestPrograms, guestContainers, benchmark],
  plugins: [buildScripts, servers],
};

/**
 * Makes ready for a command.
 * @param {"start" | "test" | "bench" | "suites" | "plugins"} command
 * @returns The Rust toolchain, and the environment in which `pulumi` is on PATH.
 */
export async function setup(command) {
  if (process.platform !== "linux")
    throw new VisibleError("Building the kernel and its example takes Linux: Debian, Ubuntu, or WSL with one of them.");
  if (Number(process.versions.node.split(".")[0]) < 20)
    throw new VisibleError(`This takes Node.js 20 or newer, and this is ${process.version}.`);
  for (const { why, packages } of needs[command]) await aptInstall(packages, why);
  await nodeModules();
  const toolchain = await rust({ lint: command === "test" });
  // The suites deploy nothing.
  const env = command === "suites" ? process.env : pulumiEnvironment(await pulumi());
  if (command === "test" || command === "plugins")
    env.PATH = [await fakeGcsServer(), await moto(), env.PATH].join(path.delimiter);
  return { rust: toolchain, env };
}

/** The environment in which the engine is found and asks nothing and nobody. */
export function pulumiEnvironment(engine) {
  return {
    ...process.env,
    PATH: [engine, process.env.PATH].join(path.delimiter),
    PULUMI_SKIP_UPDATE_CHECK: "1",
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
  };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href)
  await main(async () => {
    const command = process.argv[2] ?? "start";
    if (!(command in needs))
      throw new VisibleError(`There is no setup for "${command}": want ${Object.keys(needs).join(", ")}.`);
    await setup(command);
  });
