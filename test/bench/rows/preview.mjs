// A preview in which nothing has changed, of a stack with the example's image, beside one of a stack with a resource that does nothing.
import fs from "node:fs";
import path from "node:path";
import { inRoot } from "../../../scripts/lib/paths.mjs";
import { capture, run } from "../../../scripts/lib/process.mjs";
import { pulumiEnvironment } from "../../../scripts/setup.mjs";
import { pulumi } from "../../../scripts/tools/pulumi.mjs";
import { applications } from "../applications.mjs";

const container = inRoot(applications.ruby.spec.source.container);
/** As ours, the provider that does nothing is a line of code to the state: nothing of the program is made into text. */
const provider = `exports.handler = () => ({
  check: async (_olds, inputs) => ({ inputs }),
  diff: async () => ({ changes: false }),
  create: async (inputs) => ({ id: "web", outs: inputs }),
});`;
const programs = {
  here: `
    const { Image } = require("pulumi-unikernel");
    new Image("web", { source: { container: ${JSON.stringify(container)} } });
  `,
  idle: `
    const { CustomResource } = require("@pulumi/pulumi");
    const inputs = { container: ${JSON.stringify(container)}, __provider: ${JSON.stringify(provider)} };
    new CustomResource("pulumi-nodejs:dynamic:Resource", "web", inputs);
  `,
};

/** Makes a stack of this program, up to date. Resolves to what previews it. */
async function deploy(folder, program) {
  fs.mkdirSync(path.join(folder, "backend"), { recursive: true });
  fs.symlinkSync(inRoot("node_modules"), path.join(folder, "node_modules"));
  fs.writeFileSync(path.join(folder, "Pulumi.yaml"), "name: bench\nruntime: nodejs\n");
  fs.writeFileSync(path.join(folder, "package.json"), JSON.stringify({ private: true, main: "index.js" }));
  fs.writeFileSync(path.join(folder, "index.js"), program);
  const env = {
    ...pulumiEnvironment(await pulumi()),
    PULUMI_BACKEND_URL: `file://${path.join(folder, "backend")}`,
    PULUMI_CONFIG_PASSPHRASE: "bench",
    XDG_CACHE_HOME: path.join(folder, "cache"),
  };
  await run("pulumi", ["stack", "init", "dev"], { cwd: folder, env, quiet: true });
  await run("pulumi", ["up", "--yes", "--skip-preview", "--stack", "dev"], { cwd: folder, env, quiet: true });
  return () => {
    const began = performance.now();
    const answer = capture("pulumi", ["preview", "--expect-no-changes", "--stack", "dev"], { cwd: folder, env });
    if (answer === undefined) throw new Error(`The preview in ${folder} failed, or found changes.`);
    return (performance.now() - began) / 1000;
  };
}

/** Seconds that the preview takes beyond that of the stack with the idle resource: the least of each, for whatever else runs here only adds. */
export async function previewTime(folder, rounds) {
  const previews = await Promise.all(
    ["here", "idle"].map((name) => deploy(path.join(folder, `preview-${name}`), programs[name])),
  );
  const [here, idle] = [[], []];
  for (let round = 0; round < rounds; round++)
    for (const [i, times] of [here, idle].entries()) times.push(previews[i]());
  return { value: Math.min(...here) - Math.min(...idle), values: here.map((time, i) => time - idle[i]) };
}
