// A server of Cloud Storage's API that others wrote, to which tests upload.
import { existsSync } from "node:fs";
import path from "node:path";
import { installInto } from "../lib/install.mjs";
import { toolsCache } from "../lib/paths.mjs";
import { run, which } from "../lib/process.mjs";
import { step } from "../lib/terminal.mjs";
import { go } from "./go.mjs";

const version = "1.56.1";
const program = "fake-gcs-server";
const installed = path.join(toolsCache, `${program}-${version}`);

/** The folder of the program, for PATH; installs it when there is none. */
export async function fakeGcsServer() {
  const found = which(program);
  if (found) return path.dirname(found);
  if (!existsSync(path.join(installed, program))) await install();
  return installed;
}

async function install() {
  const compiler = await go();
  await step(`Install ${program} ${version}`, "tests upload to it; some minutes", () =>
    installInto(installed, (partial) =>
      run(compiler, ["install", "-trimpath", "-ldflags=-s -w", `github.com/fsouza/${program}@v${version}`], {
        cwd: partial,
        quiet: true,
        env: { ...process.env, GOBIN: partial, CGO_ENABLED: "0", GOFLAGS: "" },
      }),
    ),
  );
}
