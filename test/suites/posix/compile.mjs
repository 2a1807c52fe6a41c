// Compiles the tests of the suite's source package into the working directory, with musl's headers and library. What asks for more than
// musl has does not compile and is left out.
//
//   compile.mjs BEGINNING…     of the names of functions
import { mkdirSync, readdirSync } from "node:fs";
import path from "node:path";
import { withSource } from "../../../scripts/tools/apt.mjs";
import { main, VisibleError } from "../../../scripts/lib/terminal.mjs";
import { compile, forEach } from "../compiling.mjs";

await main(() =>
  withSource("posixtestsuite", async (root) => {
    const beginnings = process.argv.slice(2);
    const interfaces = path.join(root, "conformance/interfaces");
    const tests = readdirSync(interfaces).flatMap((name) => {
      const beginning = beginnings.find((beginning) => name.startsWith(beginning));
      const sources = beginning
        ? readdirSync(path.join(interfaces, name)).filter((file) => /^\d+-\d+\.c$/.test(file))
        : [];
      return sources.map((file) => ({
        source: path.join(interfaces, name, file),
        output: path.resolve("tests", beginning, `${name}-${path.basename(file, ".c")}`),
      }));
    });
    for (const beginning of beginnings) mkdirSync(path.resolve("tests", beginning), { recursive: true });
    await forEach(tests, ({ source, output }) =>
      compile("musl-gcc", [
        ...["-O1", "-w", "-s", "-std=gnu99", "-D_GNU_SOURCE", "-I", path.join(root, "include"), source, "-o", output],
      ]),
    );
    for (const beginning of beginnings)
      if (readdirSync(path.resolve("tests", beginning)).length === 0)
        throw new VisibleError(`No test of ${beginning}… compiles.`);
  }),
);
