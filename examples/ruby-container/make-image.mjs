// Makes ./image, an OCI image layout with Ruby, Puma, Sinatra and the application, without Docker: one layer with Debian's
// packages and one with ./app. Does nothing when neither ./app nor how the image is made has changed; `--force` makes the
// image anew, with Debian's newest packages.
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { installInto } from "../../scripts/lib/install.mjs";
import { packLayer, unpackPackages, writeLayout } from "../../scripts/lib/oci-image.mjs";
import { inRoot } from "../../scripts/lib/paths.mjs";
import { run } from "../../scripts/lib/process.mjs";
import { fingerprint, isCurrent, writeStamp } from "../../scripts/lib/stamp.mjs";
import { main } from "../../scripts/lib/terminal.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const image = path.join(here, "image");
const packages = ["ruby", "puma", "ruby-sinatra"];
const user = { name: "app", id: 1000 };

function addApplication(tree) {
  cpSync(path.join(here, "app"), path.join(tree, "app"), { recursive: true });
  mkdirSync(path.join(tree, "etc"));
  const { name, id } = user;
  const passwd = `root:x:0:0:root:/root:/usr/sbin/nologin\n${name}:x:${id}:${id}::/app:/usr/sbin/nologin\n`;
  writeFileSync(path.join(tree, "etc/passwd"), passwd);
  writeFileSync(path.join(tree, "etc/group"), `root:x:0:\n${name}:x:${id}:\n`);
}

async function makeImage(folder) {
  const [base, application] = ["base", "application"].map((name) => path.join(folder, name));
  await unpackPackages(packages, base);
  mkdirSync(application);
  addApplication(application);
  // The umask of whoever runs this is no part of the image.
  await run("chmod", ["-R", "u=rwX,go=rX", application]);
  const layers = [];
  for (const tree of [base, application]) layers.push(await packLayer(tree, `${tree}.tar`, { compress: true }));
  const digest = writeLayout(folder, layers, {
    User: user.name,
    ExposedPorts: { "8080/tcp": {} },
    Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"],
    Cmd: ["puma", "--config", "puma.rb"],
    WorkingDir: "/app",
  });
  for (const name of [base, application, ...layers.map(({ file }) => file)]) rmSync(name, { recursive: true });
  return digest;
}

await main(async () => {
  const stamp = path.join(here, ".image.stamp");
  const print = fingerprint([
    fileURLToPath(import.meta.url),
    path.join(here, "app"),
    inRoot("scripts/lib/oci-image.mjs"),
  ]);
  if (isCurrent(stamp, print, [image]) && !process.argv.includes("--force")) return;
  await installInto(image, async (partial) => {
    console.log(`${path.relative(process.cwd(), image)}: ${await makeImage(partial)}`);
  });
  writeStamp(stamp, print);
});
