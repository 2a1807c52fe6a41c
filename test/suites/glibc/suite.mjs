// The tests of the GNU C library, from Debian's source package, with the library of its binary package.
import { suiteContainer } from "../definitions.mjs";
import { readStatus } from "../outcomes.mjs";

export const title = "GNU C library 2.36";

export const container = "glibc-suite";

/** Folders of the source with tests that have to do with the operating system. */
const folders = [
  ...[
    "dirent",
    "inet",
    "io",
    "libio",
    "login",
    "malloc",
    "misc",
    "nptl",
    "posix",
    "resource",
    "rt",
    "setjmp",
    "signal",
  ],
  ...["socket", "stdlib", "sysdeps/pthread", "sysdeps/unix/sysv/linux", "sysvipc", "time"],
];

/** The folder with most of them is run in parts: how names begin, as a pattern. */
const parts = {
  "sysdeps/pthread": ["[_ab]", "ca", "c[!a]", "[d-l]", "[m-r]", "[s-v]"].map((names) => `sysdeps/pthread/tst-${names}`),
};

export const modules = folders.flatMap((folder) => parts[folder] ?? folder);

/** The container with it: see test/guests/containers. */
export const definitions = suiteContainer(container, {
  packages: ["bash", "coreutils", "dash", "libc-bin", "libgcc-s1", "netbase", "tzdata"],
  build: [new URL("compile.mjs", import.meta.url), ...folders],
  env: ["TIMEOUTFACTOR=5"],
});

/** Seconds that a module may take in a guest. */
export const limit = 1800;

/** The arguments of a container that runs a module. */
export const args = (module) => [folders.includes(module) ? `${module}/` : module];

/** What a line of the driver says: an exit status, where 77 is for a system without what it takes, and the test. */
export const read = (line) => readStatus(line, ["77"]);

/** Why tests that pass on Linux do not here: the beginning of their names → the reason. */
export const exceptions = {
  "stdlib/test-bz22786":
    "Memory larger than the machine has is given, as on Linux with `vm.overcommit_memory=1`, and used until a process ends for it.",
  "sysdeps/unix/sysv/linux/tst-pkey": "There are no protection keys.",
};
