// A server of AWS's APIs that others wrote, to which tests upload.
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { installInto } from "../lib/install.mjs";
import { toolsCache } from "../lib/paths.mjs";
import { run, which } from "../lib/process.mjs";
import { step } from "../lib/terminal.mjs";

const version = "5.2.5";
const program = "moto_server";
const installed = path.join(toolsCache, `moto-${version}`);
// Its extra `server` has what servers of all services need, which is several times as much.
const packages = [`moto[ec2,s3]==${version}`, "flask==3.1.3", "flask-cors==6.0.5"];

/** The folder of the program, for PATH; installs it when there is none. */
export async function moto() {
  const found = which(program);
  if (found) return path.dirname(found);
  if (!existsSync(path.join(installed, program))) await install();
  return installed;
}

async function install() {
  await step(`Install moto ${version}`, "tests upload to it; half a minute", () =>
    installInto(installed, async (partial) => {
      const venv = path.join(partial, "venv");
      await run("/usr/bin/python3", ["-m", "venv", venv], { quiet: true });
      await run(path.join(venv, "bin/pip"), ["install", "--quiet", "--disable-pip-version-check", ...packages], {
        quiet: true,
      });
      // Its own one names the folder that this was before.
      const start = path.join(partial, program);
      writeFileSync(start, `#!/bin/sh\nexec "$(dirname "$0")/venv/bin/python" -m moto.server "$@"\n`);
      chmodSync(start, 0o755);
    }),
  );
}
