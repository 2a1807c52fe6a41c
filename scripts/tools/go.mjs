// Go, which builds the Pulumi engine where its own downloads cannot be reached, and one of the test guests.
import { chmodSync, existsSync, readdirSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { installInto } from "../lib/install.mjs";
import { toolsCache } from "../lib/paths.mjs";
import { capture, run, which } from "../lib/process.mjs";
import { step, VisibleError } from "../lib/terminal.mjs";
import { aptInstall } from "./apt.mjs";

/** The Pulumi engine's module asks for at least this. */
const minimum = [1, 25, 11];
const wanted = "1.26.8";
const installed = path.join(toolsCache, `go-${wanted}`);

function isNewEnough(program) {
  // GOTOOLCHAIN=local: the version of this very program, not of one it would download in its stead.
  const text = capture(program, ["env", "GOVERSION"], { env: { ...process.env, GOTOOLCHAIN: "local" } });
  const version = /^go(\d+)\.(\d+)(?:\.(\d+))?/
    .exec(text ?? "")
    ?.slice(1)
    .map((part) => Number(part ?? 0));
  if (!version) return false;
  const differs = version.findIndex((part, i) => part !== minimum[i]);
  return differs < 0 || version[differs] > minimum[differs];
}

/** The path of a good `go` that is there already, or undefined. */
export function findGo() {
  const own = path.join(installed, "bin", "go");
  if (existsSync(own)) return own;
  const found = which("go");
  return found && isNewEnough(found) ? found : undefined;
}

/** The path of a good `go`; installs one when there is none. */
export async function go() {
  return findGo() ?? (await installGo());
}

/**
 * Distributions' Go is often too old, but every Go since 1.11 can download a module, and the Go project publishes its
 * toolchains as versions of the module golang.org/toolchain, checked against Go's checksum database.
 */
async function installGo() {
  if (process.arch !== "x64" && process.arch !== "arm64")
    throw new VisibleError(
      `There is no Go toolchain for ${process.arch}: install Go ${minimum.join(".")} or newer by hand.`,
    );
  if (!which("go")) await aptInstall(["golang-go"], "Go, to fetch the newer Go that the Pulumi engine needs");
  await step(`Install Go ${wanted}`, "it builds the Pulumi engine and a test guest", () =>
    installInto(installed, async (partial) => {
      const platform = `linux-${process.arch === "x64" ? "amd64" : "arm64"}`;
      const modules = path.join(partial, "modules");
      const env = { ...process.env, GOMODCACHE: modules, GOFLAGS: "-modcacherw", GOTOOLCHAIN: "local" };
      const answer = await run(
        "go",
        ["mod", "download", "-json", `golang.org/toolchain@v0.0.1-go${wanted}.${platform}`],
        { quiet: true, env, cwd: "/" },
      );
      const { Dir: folder } = JSON.parse(answer);
      for (const name of readdirSync(folder)) renameSync(path.join(folder, name), path.join(partial, name));
      rmSync(modules, { recursive: true });
      // Module archives do not keep the executable bit.
      for (const programs of ["bin", `pkg/tool/${platform.replace("-", "_")}`]) {
        if (!existsSync(path.join(partial, programs))) continue;
        for (const program of readdirSync(path.join(partial, programs)))
          chmodSync(path.join(partial, programs, program), 0o755);
      }
    }),
  );
  const own = findGo();
  if (!own) throw new VisibleError(`Go ${wanted} was installed to ${installed} but does not run there.`);
  return own;
}
