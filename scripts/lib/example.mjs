// The example's Pulumi stack, with its state inside the project: no account, no question.
import { existsSync } from "node:fs";
import path from "node:path";
import { exampleFolder } from "./paths.mjs";
import { capture, run } from "./process.mjs";

export const stack = "dev";
const stackFile = path.join(exampleFolder, ".pulumi", "stacks", "ruby-container", `${stack}.json`);

/** The environment of the example's `pulumi` commands. */
export function exampleEnvironment(env) {
  return {
    ...env,
    PULUMI_BACKEND_URL: `file://${exampleFolder}`,
    // The demonstration has no secrets; a stack of one's own wants a passphrase of one's own.
    PULUMI_CONFIG_PASSPHRASE: process.env.PULUMI_CONFIG_PASSPHRASE ?? "example",
  };
}

export const stackExists = () => existsSync(stackFile);

/** Runs `pulumi` on the stack with the terminal as its own. */
export function pulumiOnExample(args, env) {
  return run("pulumi", args, { cwd: exampleFolder, env: exampleEnvironment(env) });
}

export async function ensureStack(env) {
  if (!stackExists()) await pulumiOnExample(["stack", "init", stack], env);
}

/** The stack's outputs. */
export function stackOutputs(env) {
  const options = { cwd: exampleFolder, env: exampleEnvironment(env) };
  return JSON.parse(capture("pulumi", ["stack", "output", "--json", "--stack", stack], options) ?? "{}");
}
