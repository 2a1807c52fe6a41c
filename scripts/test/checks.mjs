// What `npm test` runs, in order: the cheap and telling first.
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { buildKernel } from "../build-kernel.mjs";
import { buildContainers } from "../build-containers.mjs";
import { buildGuests } from "../build-guests.mjs";
import { buildProvider } from "../build.mjs";
import { exampleFolder, inRoot } from "../lib/paths.mjs";
import { run } from "../lib/process.mjs";
import { cargoTest, vitest } from "./runners.mjs";

/** True when a file below the folder has a name with this ending. */
function anyFile(folder, ending) {
  if (!existsSync(folder)) return false;
  return readdirSync(folder, { recursive: true }).some(
    (name) => name.endsWith(ending) && !name.includes("node_modules"),
  );
}

const bin = (name) => inRoot("node_modules", ".bin", name);
const kernel = inRoot("kernel");

/**
 * A check counts as one test; a suite reports its own numbers.
 * @param {Awaited<ReturnType<typeof import("../setup.mjs").setup>>} ready
 */
export function checks({ rust, env }) {
  const cargo = (...args) => run(rust.cargo, args, { cwd: kernel, env: rust.env, quiet: true });
  const inProject = (program, args, cwd = inRoot()) => run(bin(program), args, { cwd, env, quiet: true });
  return [
    { name: "kernel builds", check: () => buildKernel(rust) },
    { name: "provider builds", check: () => buildProvider() },
    { name: "guest programs build", check: () => buildGuests() },
    { name: "guest containers build", check: () => buildContainers() },
    {
      name: "example's image builds",
      check: () => run(process.execPath, [path.join(exampleFolder, "make-image.mjs")]),
    },
    { name: "eslint", check: () => inProject("eslint", ["."]) },
    { name: "prettier", check: () => inProject("prettier", ["--check", "."]) },
    { name: "types: provider", check: () => inProject("tsc", [], inRoot("provider")) },
    { name: "types: example", check: () => inProject("tsc", [], exampleFolder) },
    ...(existsSync(inRoot("test", "tsconfig.json"))
      ? [{ name: "types: test", check: () => inProject("tsc", [], inRoot("test")) }]
      : []),
    { name: "cargo fmt", check: () => cargo("fmt", "--all", "--check") },
    { name: "clippy, host", check: () => cargo("clippy", "--locked", "--all-targets", "--", "-D", "warnings") },
    {
      name: "clippy, bare metal",
      check: () => cargo("clippy", "--locked", "--package", "unikernel", ...rust.bareMetal, "--", "-D", "warnings"),
    },
    // In commands of their own: with the kernel in the same one, the loaders' crates would get its features, and no heap for them.
    {
      name: "clippy, BIOS",
      check: () => cargo("clippy", "--locked", "--package", "loader-bios", ...rust.bareMetal, "--", "-D", "warnings"),
    },
    {
      name: "clippy, UEFI",
      check: () => cargo("clippy", "--locked", "--package", "loader-uefi", ...rust.uefi, "--", "-D", "warnings"),
    },
    { name: "kernel's crates", suite: () => cargoTest(rust, kernel) },
    // Its binary is for bare metal; what can be tested on this machine is its library.
    { name: "kernel proper", suite: () => cargoTest(rust, kernel, "--package", "unikernel", "--lib") },
    ...(anyFile(inRoot("provider", "src"), ".test.ts")
      ? [{ name: "provider", suite: () => vitest(inRoot("provider"), env) }]
      : []),
    ...(anyFile(inRoot("test"), ".test.ts")
      ? [{ name: "guests and lifecycle", suite: () => vitest(inRoot("test"), env) }]
      : []),
  ];
}
