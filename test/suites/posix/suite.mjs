// The Open POSIX Test Suite, from Debian's source package, compiled with musl.
import { suiteContainer } from "../definitions.mjs";
import { readStatus } from "../outcomes.mjs";

export const title = "Open POSIX Test Suite 1.5.2, with musl";

export const container = "posix-suite";

/** How names of functions begin. A function belongs to the first. */
export const modules = [
  ...["aio_", "clock", "f", "kill", "lio_", "mq_", "m", "nanosleep", "pthread_attr", "pthread_barrier"],
  ...[
    "pthread_cond",
    "pthread_mutex",
    "pthread_rwlock",
    "pthread_",
    "raise",
    "sched_",
    "sem_",
    "shm_",
    "sig",
    "timer_",
  ],
];

/** The container with it: see test/guests/containers. */
export const definitions = suiteContainer(container, {
  packages: ["coreutils", "dash", "musl", "netbase"],
  build: [new URL("compile.mjs", import.meta.url), ...modules],
});

/** Seconds that a module may take in a guest. */
export const limit = 1800;

/** The arguments of a container that runs a module. */
export const args = (module) => [module];

/** What a line of the driver says: an exit status, where 4 and 5 are for what is not supported or not tested, and the test. */
export const read = (line) => readStatus(line, ["4", "5"]);

/** Why tests that pass on Linux do not here: the beginning of their names → the reason. */
export const exceptions = {};
