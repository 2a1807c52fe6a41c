// Runs operations of an image and an instance that runs it, as the engine would call them. Each line of standard input asks for one, in JSON:
//   { operation: "up" | "destroy", folder, environment, fault }
// `folder` is the project's; its inputs are in inputs.json, and what the engine would keep is in state.json once the operation has ended.
// `environment` and `fault` hold for this operation. Each line of standard output answers one: { error } with what went wrong, or {}.
// With `interrupted` a signal came meanwhile: the process is about to end.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");
const provider = path.resolve(__dirname, "../../provider/dist/resources");
const { imageResource } = require(path.join(provider, "image.js"));
const { instanceResource } = require(path.join(provider, "instance.js"));
const { Engine } = require(path.join(provider, "../hosts/dynamic/engine.js"));

// There is no engine to watch. Signals cancel what runs, as they do in Pulumi's process of the provider, which ends then.
const engine = new Engine(undefined);

const identity = { organization: "organization", project: "test", stack: "dev", name: "web" };
const contextOf = (baseDir, signal) => ({
  signal,
  status: () => undefined,
  notice: () => undefined,
  preview: false,
  baseDir,
  identity,
});

/** Creates or updates a resource. */
async function ensure(definition, kept, news, context) {
  const { inputs, failures } = await definition.check(kept?.state ?? {}, news, context);
  if (failures.length > 0) throw Object.assign(new Error(failures[0].reason), { name: "VisibleError" });
  if (kept === undefined) return definition.create(inputs, context);
  const { id, state } = kept;
  const { changes } = await definition.diff(id, state, inputs, context);
  return { id, state: changes ? await definition.update(id, state, inputs, context) : state };
}

async function operate(operation, folder, signal) {
  const stateFile = path.join(folder, "state.json");
  const kept = fs.existsSync(stateFile) ? JSON.parse(fs.readFileSync(stateFile, "utf8")) : {};
  const context = contextOf(folder, signal);
  if (operation === "up") {
    const { image, instance } = JSON.parse(fs.readFileSync(path.join(folder, "inputs.json"), "utf8"));
    kept.image = await ensure(imageResource, kept.image, image, context);
    kept.instance = await ensure(
      instanceResource,
      kept.instance,
      { ...instance, image: kept.image.state.digest },
      context,
    );
  } else if (kept.instance) {
    await instanceResource.delete(kept.instance.id, kept.instance.state, context);
    delete kept.instance;
  }
  globalThis.planFaults({});
  fs.writeFileSync(stateFile, JSON.stringify(kept));
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const { operation, folder, environment, fault } = JSON.parse(line);
  Object.assign(process.env, environment);
  globalThis.planFaults(fault);
  let signal;
  // As the provider's doors do: only what is a sentence goes without its stack.
  const textOf = (error) => (error.name === "VisibleError" ? `VisibleError: ${error.message}` : error.stack);
  void engine
    .whileAlive((given) => operate(operation, folder, (signal = given)))
    .then(() => undefined, textOf)
    .then((error) => {
      globalThis.planFaults({});
      process.stdout.write(`${JSON.stringify({ error, interrupted: signal.aborted || undefined })}\n`);
    });
});
