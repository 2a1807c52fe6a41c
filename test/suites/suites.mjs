// The suites that there are.
import * as cpython from "./cpython/suite.mjs";
import * as glibc from "./glibc/suite.mjs";
import * as go from "./go/suite.mjs";
import * as nix from "./nix/suite.mjs";
import * as posix from "./posix/suite.mjs";
import * as redis from "./redis/suite.mjs";
import * as stressNg from "./stress-ng/suite.mjs";

/**
 * A test suite of others.
 * @typedef {object} Suite
 * @property {string} title
 * @property {object} definitions Its container, as `buildContainers` takes it.
 * @property {string} container The container's name.
 * @property {(module: string) => string[]} args The container's arguments that run a module.
 * @property {(line: string, module: string) => ReturnType<Parameters<typeof import("./outcomes.mjs").readOutcomes>[1]>} read
 *   What a line on the console says.
 * @property {number} limit Seconds that a module may take.
 * @property {string[]} modules
 * @property {Record<string, string>} exceptions Why tests that pass on Linux do not here: the beginning of their names → the reason.
 */

/** @type {Record<string, Suite>} */
export const suites = { cpython, glibc, go, nix, posix, redis, "stress-ng": stressNg };
