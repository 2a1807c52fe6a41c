// Compiles the tests of the C library's source package into the working directory, against the library that is installed. They are meant
// to be compiled within the library's own build: what needs its private parts does not compile and is left out.
//
//   compile.mjs FOLDER…     of the source
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { withSource } from "../../../scripts/tools/apt.mjs";
import { run } from "../../../scripts/lib/process.mjs";
import { main, VisibleError } from "../../../scripts/lib/terminal.mjs";
import { compile, forEach } from "../compiling.mjs";

/** The options of the compiler for a source at `root`. */
function options(root) {
  // Behind the system's own headers, of which the source has others of the same names.
  const folders = ["", "support", "include", "sysdeps/x86", "sysdeps/x86_64", "sysdeps/unix/sysv/linux"].concat(
    ...["sysdeps/pthread", "sysdeps/nptl", "sysdeps/generic", "configured"],
  );
  const places = ["SRCDIR", "OBJDIR", "INSTDIR", "LIBDIR", "BINDIR", "SBINDIR", "ROOTSBINDIR", "SLIBDIR", "SYSCONFDIR"]
    .concat("COMPLOCALEDIR", "OBJDIR_ELF_LDSO")
    .map((name) => `-D${name}_PATH="/srv"`);
  return [
    ...["-O1", "-w", "-std=gnu11", "-D_GNU_SOURCE", "-DMODULE_NAME=testsuite", "-DTIMEOUTFACTOR=1"],
    ...["-Dlibc_hidden_proto(x)=", "-Dattribute_hidden=", "-include", "limits.h", ...places],
    ...folders.flatMap((folder) => ["-idirafter", path.join(root, folder)]),
  ];
}

const sources = (folder, pattern) =>
  readdirSync(folder)
    .filter((name) => pattern.test(name))
    .map((name) => path.join(folder, name));

await main(() =>
  withSource("glibc", async (root) => {
    mkdirSync(path.join(root, "configured"));
    writeFileSync(path.join(root, "configured/config.h"), "");

    const objects = [];
    await forEach(sources(path.join(root, "support"), /^(?!tst-|test-|README).*(?<!-container)\.c$/), async (file) => {
      const object = file.replace(/\.c$/, ".o");
      if (await compile("gcc", [...options(root), "-c", file, "-o", object])) objects.push(object);
    });
    const support = path.join(root, "libsupport.a");
    await run("ar", ["rcs", support, ...objects], { quiet: true });

    for (const folder of process.argv.slice(2)) {
      const output = path.resolve("tests", folder);
      mkdirSync(output, { recursive: true });
      await forEach(sources(path.join(root, folder), /^(tst|test|bug)[-_\w]*\.c$/), (file) =>
        compile("gcc", [
          ...options(root),
          ...["-I", path.dirname(file), file, "-o", path.join(output, path.basename(file, ".c"))],
          ...[support, "-lm", "-lrt", "-ldl", "-lpthread"],
        ]),
      );
      if (readdirSync(output).length === 0) throw new VisibleError(`No test of ${folder} compiles.`);
    }
  }),
);
