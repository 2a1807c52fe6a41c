// The Pulumi engine and its Node.js language host.
import { copyFileSync, createWriteStream, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import { installInto } from "../lib/install.mjs";
import { inRoot, toolsCache } from "../lib/paths.mjs";
import { capture, run, which } from "../lib/process.mjs";
import { dim, step, VisibleError } from "../lib/terminal.mjs";
import { go } from "./go.mjs";

const version = "3.258.0";
const minimumMinor = 200;
/** The newest published Go module that contains the Node.js language host. */
const languageHostVersion = "3.68.0";
const installed = path.join(toolsCache, `pulumi-${version}`);
/** The engine, the Node.js language host, and the plugin that dynamic providers run in. */
const programs = ["pulumi", "pulumi-language-nodejs", "pulumi-resource-pulumi-nodejs"];

/** The folder that holds a good `pulumi` and the programs that belong to it, or undefined. */
export function findPulumi() {
  const found = which("pulumi");
  if (found && programs.every((program) => which(program, path.dirname(found)))) {
    const [, major, minor] = /^v(\d+)\.(\d+)\./.exec(capture(found, ["version"]) ?? "") ?? [];
    if (Number(major) === 3 && Number(minor) >= minimumMinor) return path.dirname(found);
  }
  const own = path.join(installed, "bin");
  return programs.every((program) => existsSync(path.join(own, program))) ? own : undefined;
}

/** The folder of the engine's programs, for PATH; installs them when there are none. */
export async function pulumi() {
  return findPulumi() ?? (await installPulumi());
}

async function installPulumi() {
  await step(`Install the Pulumi engine ${version}`, "it runs the Pulumi program", () =>
    installInto(installed, async (partial) => {
      const bin = path.join(partial, "bin");
      mkdirSync(bin);
      if (await download(bin)) return;
      console.error(
        dim("  Pulumi's own downloads cannot be reached: building it from its Go modules, about 5 minutes"),
      );
      await build(partial, bin);
    }),
  );
  const own = findPulumi();
  if (!own) throw new VisibleError(`The Pulumi engine was installed to ${installed} but is not complete there.`);
  return own;
}

/** Pulumi's release archive; false when it cannot be had. */
async function download(bin) {
  const platform = `linux-${process.arch}`;
  const address = `https://get.pulumi.com/releases/sdk/pulumi-v${version}-${platform}.tar.gz`;
  const archive = path.join(bin, "release.tar.gz");
  // A network that swallows packets must not hold up the other way: connecting has ten seconds, the body as long as it takes.
  const connecting = new AbortController();
  const timer = setTimeout(() => connecting.abort(), 10_000);
  try {
    const response = await fetch(address, { signal: connecting.signal });
    clearTimeout(timer);
    if (!response.ok || !response.body) return false;
    await finished(Readable.fromWeb(response.body).pipe(createWriteStream(archive)));
    await run("tar", ["--extract", "--gzip", "--strip-components=1", "--file", archive, "--directory", bin], {
      quiet: true,
    });
    rmSync(archive);
    return capture(path.join(bin, "pulumi"), ["version"]) === `v${version}`;
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * `go install` refuses modules with `replace` lines, so each program is built in a small module of its own that
 * requires the published one.
 */
async function build(partial, bin) {
  // Beside the engine it is part of it; from anywhere else on PATH the engine warns of it.
  copyFileSync(inRoot("node_modules", "@pulumi", "pulumi", programs[2]), path.join(bin, programs[2]));
  const compiler = await go();
  const modules = [
    {
      module: "github.com/pulumi/pulumi/sdk/v3",
      version: languageHostVersion,
      main: "nodejs/cmd/pulumi-language-nodejs",
    },
    { module: "github.com/pulumi/pulumi/pkg/v3", version, main: "cmd/pulumi" },
  ];
  for (const { module, version: moduleVersion, main } of modules) {
    const program = path.basename(main);
    console.error(dim(`  ${program} ${moduleVersion}`));
    const folder = path.join(partial, `module-${program}`);
    mkdirSync(folder);
    writeFileSync(path.join(folder, "go.mod"), `module tools\n\ngo 1.25\n\nrequire ${module} v${moduleVersion}\n`);
    // The engine reports the version that is linked in; the Automation API refuses an engine without one.
    const flags = `-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v${moduleVersion}`;
    await run(
      compiler,
      ["build", "-mod=mod", "-trimpath", "-ldflags", flags, "-o", path.join(bin, program), `${module}/${main}`],
      { cwd: folder, quiet: true, env: { ...process.env, CGO_ENABLED: "0", GOFLAGS: "" } },
    );
    rmSync(folder, { recursive: true });
  }
}
