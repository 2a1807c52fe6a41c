// What `npm test` runs, the cheap and telling first.
import path from "node:path";
import { buildKernel } from "../build-kernel.mjs";
import { buildContainers } from "../build-containers.mjs";
import { buildGuests } from "../build-guests.mjs";
import { buildProvider } from "../build.mjs";
import { exampleFolder, inRoot } from "../lib/paths.mjs";
import { run } from "../lib/process.mjs";
import { cargoTest, vitest } from "./runners.mjs";

const bin = (name) => inRoot("node_modules", ".bin", name);
const kernel = inRoot("kernel");

/**
 * A check counts as one test; a suite reports its own numbers.
 * @typedef {object} Item
 * @property {string} name
 * @property {string[]} [after] Items that have to be done before, if they are run at all.
 * @property {() => Promise<unknown>} [check]
 * @property {(show: (text: string) => void) => Promise<import("./runners.mjs").Counts>} [suite]
 */

/**
 * @param {Awaited<ReturnType<typeof import("../setup.mjs").setup>>} ready
 * @returns {Item[]}
 */
export function checks({ rust, env }) {
  const cargo = (...args) => run(rust.cargo, args, { cwd: kernel, env: rust.env, quiet: true });
  const inProject = (program, args) => run(bin(program), args, { cwd: inRoot(), env, quiet: true });
  const clippy = (...args) => cargo("clippy", "--locked", ...args, "--", "-D", "warnings");
  const kernelItems = [
    { name: "kernel builds", check: () => buildKernel(rust) },
    { name: "cargo fmt", check: () => cargo("fmt", "--all", "--check") },
    { name: "clippy, host", check: () => clippy("--all-targets") },
    { name: "clippy, bare metal", check: () => clippy("--package", "unikernel", ...rust.bareMetal) },
    // In commands of their own: with the kernel in the same one, the loaders' crates would get its features, and no heap for them.
    { name: "clippy, BIOS", check: () => clippy("--package", "loader-bios", ...rust.bareMetal) },
    { name: "clippy, UEFI", check: () => clippy("--package", "loader-uefi", ...rust.uefi) },
    { name: "kernel's crates", suite: (show) => cargoTest(rust, kernel, show) },
    // Its binary is for bare metal; what can be tested on this machine is its library.
    { name: "kernel proper", suite: (show) => cargoTest(rust, kernel, show, "--package", "unikernel", "--lib") },
  ];
  const providerItems = [
    { name: "provider builds", check: () => buildProvider() },
    // Types of the tests and of the examples come from what was built. The compiler's errors are the linter's to report: its compiler is
    // many times as fast as the one that Pulumi can use.
    { name: "lint and types", after: ["provider builds"], check: () => inProject("oxlint", []) },
    // What has not changed since it was found well formatted is not read again.
    { name: "prettier", check: () => inProject("prettier", ["--check", "--cache", "--cache-strategy=content", "."]) },
    { name: "guest programs build", check: () => buildGuests() },
    { name: "guest containers build", check: () => buildContainers() },
    {
      name: "example's image builds",
      check: () => run(process.execPath, [path.join(exampleFolder, "make-image.mjs")]),
    },
    { name: "provider", after: ["kernel builds"], suite: (show) => vitest(inRoot("provider"), env, show) },
  ];
  const beforeGuests = [
    // One after the other: Cargo lets nobody else into the folder that it builds in.
    ...kernelItems.map((item, index) => ({ ...item, after: kernelItems.slice(0, index).map(({ name }) => name) })),
    ...providerItems,
  ];
  return [
    ...beforeGuests,
    // Alone: guests take both CPUs of a small machine.
    {
      name: "guests and lifecycle",
      after: beforeGuests.map(({ name }) => name),
      suite: (show) => vitest(inRoot("test"), env, show),
    },
  ];
}
