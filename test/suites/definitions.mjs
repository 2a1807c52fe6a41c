// What the containers of suites have in common that compile or unpack a suite beside Debian's packages.
import { fileURLToPath } from "node:url";
import { inRoot } from "../../scripts/lib/paths.mjs";

/**
 * The container of a suite below `/srv`, whose driver `run.sh` an ordinary user runs: see test/guests/containers.
 * @param {string} name The container's.
 * @param {{ packages: string[], build: [program: URL, ...args: string[]], env?: string[] }} what Debian's packages; what puts the suite into
 *   the container; variables beside the usual ones.
 */
export function suiteContainer(name, { packages, build: [program, ...args], env = [] }) {
  return {
    packageSets: { [name]: { packages, users: ["tester"], folders: ["var/lib/tester"] } },
    containers: {
      [name]: {
        packages: name,
        build: [process.execPath, fileURLToPath(program), ...args],
        config: {
          Entrypoint: ["/srv/run.sh"],
          Env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/tmp", ...env],
          WorkingDir: "/srv",
          User: "tester",
        },
      },
    },
    files: inRoot("test/suites/images"),
  };
}
