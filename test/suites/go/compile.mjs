// Compiles the tests of packages of Go's standard library into the working directory, with the files that they read.
//
//   compile.mjs PLACE PACKAGE…     PLACE is where the container has the working directory
import { cpSync, mkdirSync } from "node:fs";
import path from "node:path";
import { capture, run } from "../../../scripts/lib/process.mjs";
import { main } from "../../../scripts/lib/terminal.mjs";
import { go } from "../../../scripts/tools/go.mjs";

await main(async () => {
  const program = await go();
  const goroot = capture(program, ["env", "GOROOT"]);
  const [place, ...packages] = process.argv.slice(2);
  for (const name of packages) {
    const output = path.resolve("tests", `${name}.test`);
    mkdirSync(path.dirname(output), { recursive: true });
    // Without debugging information, which nothing here reads, and with the places that the sources have in the container.
    const flags = ["-ldflags=-s -w", `-gcflags=-trimpath=${goroot}=>${place}`];
    await run(program, ["test", "-c", ...flags, "-o", output, name], { cwd: path.join(goroot, "src") });
    cpSync(path.join(goroot, "src", name), path.resolve("src", name), { recursive: true });
  }
  cpSync(path.join(goroot, "VERSION"), "VERSION");
  cpSync(path.join(goroot, "lib/time"), "lib/time", { recursive: true });
});
