// Rust with the standard library's `core` and `alloc` for bare metal and for UEFI.
import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { toolsCache } from "../lib/paths.mjs";
import { capture, run, which } from "../lib/process.mjs";
import { step, VisibleError } from "../lib/terminal.mjs";
import { aptInstall, areAvailable } from "./apt.mjs";

export const target = "x86_64-unknown-none";
/** What the boot loader for UEFI is built for. */
export const uefiTarget = "x86_64-unknown-uefi";
const targets = [target, uefiTarget];
/** `rust-version` in kernel/Cargo.toml. */
const minimumMinor = 95;
const debianPackages = ["rustc-web", "cargo-web", "rust-web-src", "lld"];
const debianLintPackages = ["rust-web-clippy", "rustfmt-web"];
const ownRustup = path.join(toolsCache, "rustup");

/**
 * A toolchain.
 * @typedef {object} Rust
 * @property {string} cargo The program to run.
 * @property {NodeJS.ProcessEnv} env What it needs in its environment.
 * @property {string[]} bareMetal Arguments that make a cargo command build for bare metal.
 * @property {string[]} uefi Arguments that make it build for UEFI.
 */

function isNewEnough(rustc, env) {
  const [, minor] = /^rustc 1\.(\d+)\./.exec(capture(rustc, ["--version"], { env }) ?? "") ?? [];
  return Number(minor) >= minimumMinor;
}

/** rustup's toolchain of this environment, when it is new enough; `complete` once it can build for bare metal. */
function rustup(env, { lint }) {
  const cargo = which("cargo", env.PATH);
  if (!cargo || !which("rustup", env.PATH) || !isNewEnough("rustc", env)) return undefined;
  const sysroot = capture("rustc", ["--print", "sysroot"], { env });
  if (!sysroot) return undefined;
  const has = (...parts) => existsSync(path.join(sysroot, ...parts));
  const complete =
    targets.every((target) => has("lib/rustlib", target)) && (!lint || (has("bin/cargo-clippy") && has("bin/rustfmt")));
  return { complete, cargo, env, bareMetal: ["--target", target], uefi: ["--target", uefiTarget] };
}

const buildStandardLibrary = ["-Zbuild-std=core,alloc,compiler_builtins", "-Zbuild-std-features=compiler-builtins-mem"];

/** Debian's packages of the Rust that Firefox is built with, in /usr/bin; the standard library comes as its source. */
function debian({ lint }) {
  const env = { ...process.env, PATH: `/usr/bin:${process.env.PATH}`, RUSTC: "/usr/bin/rustc" };
  const sysroot = existsSync("/usr/bin/rustc") && capture("/usr/bin/rustc", ["--print", "sysroot"], { env });
  if (!sysroot || !existsSync("/usr/bin/cargo") || !isNewEnough("/usr/bin/rustc", env)) return undefined;
  const needed = [path.join(sysroot, "lib/rustlib/src/rust/library/core"), "/usr/bin/ld.lld", "/usr/bin/lld-link"];
  if (lint) needed.push("/usr/bin/cargo-clippy", "/usr/bin/rustfmt");
  if (!needed.every((file) => existsSync(file))) return undefined;
  return {
    cargo: "/usr/bin/cargo",
    // Building the standard library is an unstable option, and this compiler is a stable one.
    env: {
      ...env,
      RUSTC_BOOTSTRAP: "1",
      CARGO_TARGET_X86_64_UNKNOWN_NONE_LINKER: "ld.lld",
      CARGO_TARGET_X86_64_UNKNOWN_UEFI_LINKER: "lld-link",
    },
    bareMetal: ["--target", target, ...buildStandardLibrary],
    uefi: ["--target", uefiTarget, ...buildStandardLibrary],
  };
}

const ownRustupEnv = () => ({
  ...process.env,
  RUSTUP_HOME: ownRustup,
  CARGO_HOME: path.join(ownRustup, "cargo"),
  PATH: `${path.join(ownRustup, "cargo", "bin")}${path.delimiter}${process.env.PATH}`,
});

/** A toolchain that is there already, or undefined. */
export function findRust({ lint = false } = {}) {
  const environments = [process.env, ...(existsSync(path.join(ownRustup, "cargo", "bin")) ? [ownRustupEnv()] : [])];
  for (const env of environments) {
    const found = rustup(env, { lint });
    if (found?.complete) return found;
  }
  return debian({ lint });
}

/**
 * A toolchain; installs what is missing, the official way first.
 * @param {{ lint?: boolean }} options `lint`: with clippy and rustfmt.
 * @returns {Promise<Rust>}
 */
export async function rust(options = {}) {
  const found =
    findRust(options) ?? (await addTarget(options)) ?? (await installDebian(options)) ?? (await installRustup(options));
  if (found) return found;
  throw new VisibleError(
    `No Rust toolchain for ${targets.join(" and ")} could be installed. Install rustup with Rust 1.${minimumMinor} or newer, then run: ` +
      `rustup target add ${targets.join(" ")} && rustup component add clippy rustfmt`,
  );
}

/** Adds what is missing to the toolchain that rustup has already. */
async function addTarget(options) {
  if (!rustup(process.env, options)) return undefined;
  try {
    await step(`Add ${targets.join(" and ")} to Rust`, "kernel and boot loaders run on bare metal", async () => {
      await run("rustup", ["target", "add", ...targets], { quiet: true, timeoutMs: 120_000 });
      if (options.lint)
        await run("rustup", ["component", "add", "clippy", "rustfmt"], { quiet: true, timeoutMs: 120_000 });
    });
  } catch (error) {
    console.error(`  rustup cannot download it: ${error.message.split("\n").at(-1)}`);
    return undefined;
  }
  return findRust(options);
}

async function installDebian(options) {
  if (!which("apt-get")) return undefined;
  const packages = options.lint ? [...debianPackages, ...debianLintPackages] : debianPackages;
  if (!(await areAvailable(packages))) return undefined;
  await aptInstall(packages, "Rust, which the kernel is written in");
  return debian(options);
}

/** Rust's own installer, into this project's cache: nothing changes in the user's home. */
async function installRustup(options) {
  try {
    await step("Install Rust", "the kernel is written in it", async () => {
      mkdirSync(ownRustup, { recursive: true });
      const script = path.join(ownRustup, "install.sh");
      await run("curl", ["-fsSL", "--proto", "=https", "--max-time", "60", "-o", script, "https://sh.rustup.rs"], {
        quiet: true,
      });
      const components = options.lint ? ["--component", "clippy", "--component", "rustfmt"] : [];
      await run(
        "sh",
        [
          script,
          "-y",
          "--no-modify-path",
          "--profile",
          "minimal",
          "--default-toolchain",
          "stable",
          "--target",
          targets.join(","),
          ...components,
        ],
        { quiet: true, env: ownRustupEnv() },
      );
    });
  } catch (error) {
    console.error(`  Rust's installer cannot be used: ${error.message.split("\n").at(-1)}`);
    return undefined;
  }
  return findRust(options);
}
