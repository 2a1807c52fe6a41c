// The Linux guest's initial RAM disk: a static init, the modules it loads and the application it starts.
import fs from "node:fs";
import path from "node:path";
import { run } from "../../../scripts/lib/process.mjs";
import { cpio } from "./cpio.mjs";

/** What the guest needs and Debian's kernel has as modules; their own dependencies are found. */
const wanted = ["virtio_pci", "virtio_blk", "virtio_net", "virtio_rng", "erofs", "overlay"];

const moduleName = (file) => path.basename(file, ".ko").replaceAll("-", "_");

/** The modules' files, each after those it depends on. */
function modulesInOrder(folder) {
  const files = new Map(
    fs
      .readdirSync(folder, { recursive: true })
      .filter((name) => name.endsWith(".ko"))
      .map((name) => [moduleName(name), path.join(folder, name)]),
  );
  const ordered = new Map();
  const add = (name) => {
    // What is not a module is built in.
    if (ordered.has(name) || !files.has(name)) return;
    const data = fs.readFileSync(files.get(name));
    const depends = /(?:^|\0)depends=([^\0]*)/.exec(data.toString("latin1"))?.[1] ?? "";
    for (const dependency of depends.split(",").filter(Boolean)) add(dependency.replaceAll("-", "_"));
    ordered.set(name, data);
  };
  wanted.forEach(add);
  return ordered;
}

/**
 * Writes the initial RAM disk for an application.
 * @param {object} options
 * @param {string} options.modules The kernel's folder of modules.
 * @param {import("../../../provider/dist/image/index.js").RuntimeConfig} options.config What to start.
 * @param {string} options.address The guest's IPv4 address.
 * @param {string} options.nameServer The IPv4 address of one.
 * @param {string} options.folder Where to work.
 * @param {string} options.output
 */
export async function writeInitrd({ modules, config, address, nameServer, folder, output }) {
  const init = path.join(folder, "init");
  await run(
    "musl-gcc",
    [
      "-static",
      "-O2",
      "-Wall",
      "-Werror",
      `-DGUEST_ADDRESS="${address}"`,
      `-DNAME_SERVER="${nameServer}"`,
      "-o",
      init,
      path.join(import.meta.dirname, "init.c"),
    ],
    { quiet: true },
  );
  await run("strip", [init], { quiet: true });
  const ordered = modulesInOrder(modules);
  const { args, cwd, env = [], user } = config.process;
  const application = [user.uid, user.gid, cwd, args.length, ...args, ...env].map((text) => `${text}\0`).join("");
  const file = (name, data, mode = 0o100644) => ({ name, mode, data: Buffer.from(data) });
  const entries = [
    file("init", fs.readFileSync(init), 0o100755),
    file("application", application),
    file("modules", [...ordered.keys()].map((name) => `/${name}.ko\n`).join("")),
    ...[...ordered].map(([name, data]) => file(`${name}.ko`, data)),
  ];
  fs.writeFileSync(output, cpio(entries));
}
