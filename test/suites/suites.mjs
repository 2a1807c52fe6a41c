// The suites that there are.
import * as cpython from "./cpython/suite.mjs";

/**
 * A test suite of others.
 * @typedef {object} Suite
 * @property {string} title
 * @property {object} definitions Its container, as `buildContainers` takes it.
 * @property {string} container The container's name.
 * @property {number} limit Seconds that a module may take.
 * @property {string[]} modules
 * @property {Record<string, string>} exceptions Why tests that pass on Linux do not here: the beginning of their names → the reason.
 */

/** @type {Record<string, Suite>} */
export const suites = { cpython };
