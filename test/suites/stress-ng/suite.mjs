// stress-ng's stressors one by one, from Debian's package.
import { inRoot } from "../../../scripts/lib/paths.mjs";
import { readStatus } from "../outcomes.mjs";

export const title = "stress-ng";

export const container = "stress-ng";

/** Letters that stressors begin with. */
export const modules = [..."abcdefghijklmnopqrstuvwxyz"];

/** The container with it: see test/guests/containers. */
export const definitions = {
  packageSets: {
    "stress-ng": {
      packages: ["coreutils", "dash", "netbase", "stress-ng"],
      users: ["tester"],
      folders: ["var/lib/tester"],
    },
  },
  containers: {
    "stress-ng": {
      packages: "stress-ng",
      config: {
        Entrypoint: ["/run.sh"],
        Env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/tmp"],
        WorkingDir: "/tmp",
        User: "tester",
      },
    },
  },
  files: inRoot("test/suites/images"),
};

/** Seconds that a module may take in a guest. */
export const limit = 900;

/** The arguments of a container that runs a module. */
export const args = (module) => [module];

/** What a line of the driver says: an exit status as in stress-ng(1), where 3 and 4 are for a system without what it takes, and the stressor. */
export const read = (line) => readStatus(line, ["3", "4"]);

/** Why tests that pass on Linux do not here: the beginning of their names → the reason. */
export const exceptions = {
  ptrace: "No process can trace another.",
  "vm-segv": "No process can trace another.",
  pci: "`/sys` does not list PCI devices, all of which the kernel drives itself.",
};
