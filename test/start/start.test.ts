import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, symlinkSync } from "node:fs";
import * as path from "node:path";
import { expect, test } from "vitest";
import { findProcesses, withMachine, type Machine } from "../support/machine.js";

const root = path.resolve(import.meta.dirname, "../..");

const example = "examples/ruby-container";

/** What of the checkout the scripts do not change once all is built. */
const UNCHANGED = ["node_modules", "provider", "kernel", "package-lock.json", "tsconfig.json"];

/** A checkout of its own, in which all is built: whoever has the example running in this one is not to lose it. */
function checkout({ folder }: Machine): string {
  const copy = path.join(folder, "checkout");
  mkdirSync(copy);
  for (const name of UNCHANGED) symlinkSync(path.join(root, name), path.join(copy, name));
  const isOthers = (file: string): boolean => /^(\.pulumi|Pulumi\..+\.yaml|image)$/.test(path.basename(file));
  for (const name of ["scripts", example])
    cpSync(path.join(root, name), path.join(copy, name), { recursive: true, filter: (file) => !isOthers(file) });
  symlinkSync(path.join(root, example, "image"), path.join(copy, example, "image"));
  return copy;
}

/** What a script prints, in this checkout. */
async function script(machine: Machine, folder: string, name: string, ...args: string[]): Promise<string> {
  const child = spawn(process.execPath, [path.join("scripts", name), ...args], {
    cwd: folder,
    env: { ...process.env, ...machine.environment, PULUMI_HOME: path.join(machine.folder, "pulumi") },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += String(data)));
  const code = await new Promise((resolve) => child.once("close", resolve));
  expect(code, output).toBe(0);
  return output;
}

test("`npm start` brings the example up, changes nothing the second time, and `npm run stop` leaves nothing", async () => {
  await withMachine(async (machine) => {
    const folder = checkout(machine);
    const started = await script(machine, folder, "start.mjs", "--config", "ruby-container:port=0");
    const [, url = ""] = /^ +curl (http:\/\/127\.0\.0\.1:\d+)$/m.exec(started) ?? [];
    const answer = await (await fetch(url)).text();
    expect(answer).toMatch(/^Hello from a unikernel\n\nRuby 3\.1\.\d+, Puma [\d.]+, Sinatra [\d.]+\n/);
    const [guest] = machine.guests();
    const [log = ""] = /(?<=tail -f ).*/.exec(started) ?? [];
    expect(existsSync(log.replace("$XDG_STATE_HOME", machine.stateHome))).toBe(true);

    const again = await script(machine, folder, "start.mjs");
    expect(again).toContain("3 unchanged");
    expect(again).not.toMatch(/\d (to )?(create|update|replace|delete)d?/);
    expect(again).toContain(url);
    expect(machine.guests()).toEqual([guest]);

    await script(machine, folder, "stop.mjs");
    expect(findProcesses((_args, environment) => environment().includes(machine.stateHome))).toEqual([]);
    expect(machine.guests()).toEqual([]);
    expect(new Set(readdirSync(machine.stateDir, { recursive: true, encoding: "utf8" }))).toEqual(
      new Set(["instances", "locks"]),
    );
    await expect(fetch(url)).rejects.toThrow();
  });
});
