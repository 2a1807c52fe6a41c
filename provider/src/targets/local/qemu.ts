import { execFile } from "node:child_process";
import { access, constants, readFile, realpath } from "node:fs/promises";
import * as path from "node:path";
import { promisify } from "node:util";
import { VisibleError } from "../../image/index.js";

const run = promisify(execFile);

/** The oldest QEMU whose machines, PVH loader and options are known to fit. */
export const OLDEST_QEMU: readonly [number, number] = [6, 2];

/** A QEMU on this machine. */
export interface Qemu {
  /** Absolute path of the program, with symbolic links resolved. */
  path: string;
  /** For example `7.2.22`. */
  version: string;
}

/**
 * Finds QEMU in `PATH`.
 *
 * @throws {VisibleError} when there is none, or it is older than {@link OLDEST_QEMU}; the message has the line that installs it.
 */
export async function findQemu(architecture: "x86_64", signal?: AbortSignal): Promise<Qemu> {
  const name = `qemu-system-${architecture}`;
  const file = await which(name);
  if (file === undefined) {
    throw new VisibleError(
      `QEMU is not installed: there is no ${name} in PATH. Install it with: ${await installLine()}`,
    );
  }
  const version = await versionOf(file, signal);
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major < OLDEST_QEMU[0] || (major === OLDEST_QEMU[0] && minor < OLDEST_QEMU[1])) {
    throw new VisibleError(
      `${file} is QEMU ${version}, which is too old: ${OLDEST_QEMU.join(".")} or newer is needed. Install it with: ${await installLine()}`,
    );
  }
  return { path: file, version };
}

async function versionOf(file: string, signal: AbortSignal | undefined): Promise<string> {
  let output: string;
  try {
    ({ stdout: output } = await run(file, ["--version"], { timeout: 10_000, ...(signal && { signal }) }));
  } catch (error) {
    signal?.throwIfAborted();
    throw new VisibleError(
      `${file} does not run (${firstLine(error)}). Install QEMU anew with: ${await installLine()}`,
    );
  }
  const version = /version (\d+\.\d+(?:\.\d+)*)/.exec(output)?.[1];
  if (version === undefined) {
    throw new VisibleError(
      `${file} does not say which version of QEMU it is. Install QEMU anew with: ${await installLine()}`,
    );
  }
  return version;
}

function firstLine(error: unknown): string {
  const { stderr, message } = error as { stderr?: string; message?: string };
  return (stderr?.trim() || message || String(error)).split("\n")[0] ?? "";
}

async function which(name: string): Promise<string | undefined> {
  for (const folder of (process.env["PATH"] ?? "").split(path.delimiter)) {
    if (folder === "") continue;
    const file = path.join(folder, name);
    try {
      await access(file, constants.X_OK);
      return await realpath(file);
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

/** The command that installs QEMU on this machine. */
export async function installLine(): Promise<string> {
  if (process.platform === "darwin") return "brew install qemu";
  const release = await readFile("/etc/os-release", "utf8").catch(() => "");
  const field = (name: string): string => new RegExp(`^${name}="?([^"\n]*)`, "m").exec(release)?.[1] ?? "";
  const families = `${field("ID")} ${field("ID_LIKE")}`.split(" ");
  const lines: Record<string, string> = {
    debian: "sudo apt-get install qemu-system-x86",
    ubuntu: "sudo apt-get install qemu-system-x86",
    fedora: "sudo dnf install qemu-system-x86-core",
    rhel: "sudo dnf install qemu-kvm",
    arch: "sudo pacman -S qemu-system-x86",
    alpine: "sudo apk add qemu-system-x86_64",
    suse: "sudo zypper install qemu-x86",
  };
  for (const family of families) {
    const line = lines[family];
    if (line !== undefined) return line;
  }
  return "your system's package manager (the package is often called qemu-system-x86)";
}
