// Makes the container images that the tests boot (test/guests/containers/) in test/guests/build/containers/.
import {
  appendFileSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import * as tests from "../test/guests/containers/containers.mjs";
import { installInto } from "./lib/install.mjs";
import { packLayer, unpackPackages, writeLayout } from "./lib/oci-image.mjs";
import { guestContainers, inRoot } from "./lib/paths.mjs";
import { run } from "./lib/process.mjs";
import { fingerprint, isCurrent, writeStamp } from "./lib/stamp.mjs";
import { main, step } from "./lib/terminal.mjs";

const how = [fileURLToPath(import.meta.url), inRoot("scripts/lib/oci-image.mjs")];
/** System users get their IDs from here on, in order. */
const FIRST_USER = 100;

/** What the scripts of the packages would do at their installation. */
function setUp(tree, { users = [], folders = [] }) {
  for (const name of ["passwd", "group"])
    copyFileSync(path.join(tree, `usr/share/base-passwd/${name}.master`), path.join(tree, `etc/${name}`));
  users.forEach((name, i) => {
    const id = FIRST_USER + i;
    appendFileSync(path.join(tree, "etc/passwd"), `${name}:x:${id}:${id}::/var/lib/${name}:/usr/sbin/nologin\n`);
    appendFileSync(path.join(tree, "etc/group"), `${name}:x:${id}:\n`);
  });
  for (const name of folders) mkdirSync(path.join(tree, name), { recursive: true });
}

/** Runs a command in the tree as its first system user. PRoot needs neither root nor namespaces, and the command uses the tree's libraries. */
function runInside(tree, command) {
  const binds = ["--bind=/dev", "--bind=/proc"];
  const user = `--change-id=${FIRST_USER}:${FIRST_USER}`;
  return run("proot", [`--rootfs=${tree}`, ...binds, user, "--cwd=/", ...command], { quiet: true });
}

/** The layer of a set of packages, whose archive is kept beside the images that link it. */
async function packageLayer(name, set) {
  const folder = path.join(guestContainers, `.packages-${name}`);
  const print = fingerprint(how, [set]);
  const [archive, record] = ["layer.tar", "layer.json"].map((file) => path.join(folder, file));
  if (!isCurrent(path.join(folder, "stamp"), print, [archive, record]))
    await step(`Unpack packages: ${set.packages.join(" ")}`, "the tests boot containers of them", () =>
      installInto(folder, async (partial) => {
        const tree = path.join(partial, "tree");
        await unpackPackages(["base-passwd", ...set.packages], tree, set.suite);
        setUp(tree, set);
        for (const command of set.commands ?? []) await runInside(tree, command);
        const layer = await packLayer(tree, path.join(partial, "layer.tar"));
        rmSync(tree, { recursive: true });
        writeFileSync(path.join(partial, "layer.json"), JSON.stringify(layer));
        writeStamp(path.join(partial, "stamp"), print);
      }),
    );
  return { ...JSON.parse(readFileSync(record, "utf8")), file: archive };
}

async function buildContainer(name, { config, build }, files, base) {
  const folder = path.join(guestContainers, name);
  const stamp = path.join(guestContainers, `.${name}.stamp`);
  const scripts = build?.filter((argument) => argument.startsWith(inRoot("test"))) ?? [];
  const print = fingerprint([...how, files, ...scripts], [base.digest, config, build]);
  if (isCurrent(stamp, print, [folder])) return;
  await installInto(folder, async (partial) => {
    const tree = path.join(partial, "tree");
    if (existsSync(files)) cpSync(files, tree, { recursive: true });
    else mkdirSync(tree);
    if (build) await run(build[0], build.slice(1), { cwd: path.join(tree, config.WorkingDir), quiet: true });
    // The umask of whoever runs this is no part of the image.
    await run("chmod", ["-R", "u=rwX,go=rX", tree]);
    const layer = await packLayer(tree, `${tree}.tar`);
    writeLayout(partial, [base, layer], config);
    for (const made of [tree, layer.file]) rmSync(made, { recursive: true });
  });
  writeStamp(stamp, print);
}

/**
 * Builds what is out of date.
 * @param definitions The packages and containers, and the folder with a folder of files for each container.
 */
export async function buildContainers({ packageSets, containers, files } = tests) {
  mkdirSync(guestContainers, { recursive: true });
  const names = Object.keys(containers);
  const sets = [...new Set(names.map((name) => containers[name].packages))];
  await Promise.all(
    sets.map(async (set) => {
      const base = await packageLayer(set, packageSets[set]);
      for (const name of names) {
        const container = containers[name];
        const folder = path.join(files, container.files ?? name);
        if (container.packages === set) await buildContainer(name, container, folder, base);
      }
    }),
  );
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await main(() => buildContainers());
