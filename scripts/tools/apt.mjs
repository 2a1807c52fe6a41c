// Debian's and Ubuntu's packages.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { run, capture, which } from "../lib/process.mjs";
import { step, VisibleError } from "../lib/terminal.mjs";

/** Those of the packages that are not installed. */
export function missingPackages(packages) {
  const answer = capture("dpkg-query", ["--show", "--showformat=${Package} ${db:Status-Status}\n", "*"]) ?? "";
  const installed = new Set(
    answer
      .split("\n")
      .filter((line) => line.endsWith(" installed"))
      .map((line) => line.split(" ")[0]),
  );
  return packages.filter((name) => !installed.has(name));
}

/** True when apt knows all packages in versions that can be installed. */
export async function areAvailable(packages) {
  const known = (name) => /Candidate: \d/.test(capture("apt-cache", ["policy", name]) ?? "");
  if (!packages.every(known) && (isRoot || which("sudo"))) await refreshLists();
  return packages.every(known);
}

/** Installs the packages that are missing; `why` ends up in the progress line. */
export async function aptInstall(packages, why) {
  const missing = missingPackages(packages);
  if (missing.length === 0) return;
  const list = missing.join(" ");
  if (!which("apt-get"))
    throw new VisibleError(
      `This needs programs that the Debian packages \`${list}\` contain (${why}), and only Debian and Ubuntu are ` +
        `set up automatically. Install them with your system's package manager and run the command again.`,
    );
  if (!isRoot && !which("sudo"))
    throw new VisibleError(
      `These packages are missing (${why}), and installing them takes root or sudo. ` +
        `As root, run: apt-get install --no-install-recommends ${list}`,
    );
  await step(`Install packages: ${list}`, why, async () => {
    await refreshLists();
    await aptGet("install", "--yes", "--no-install-recommends", ...missing);
  });
}

/**
 * Unpacks a package's upstream source into a folder that is gone when `work` has ended.
 * @param {(folder: string) => void | Promise<void>} work
 */
export async function withSource(name, work) {
  const folder = mkdtempSync(path.join(os.tmpdir(), `unikernel-${name}-`));
  try {
    const archive = await fetchSource(name, folder);
    await run("tar", ["--extract", "--strip-components=1", "--file", archive, "--directory", folder], { quiet: true });
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * Downloads a package's upstream source from the archives that this machine's packages come from, and leaves the machine's own lists alone.
 * @returns The path of the archive, in `folder`.
 */
async function fetchSource(name, folder) {
  const state = path.join(folder, "apt");
  mkdirSync(path.join(state, "lists/partial"), { recursive: true });
  const format = "deb-src $(REPO_URI) $(SUITE) $(COMPONENT)";
  const sources = capture("apt-get", ["indextargets", "--format", format, "Created-By: Packages"]) ?? "";
  writeFileSync(path.join(state, "sources.list"), `${[...new Set(sources.split("\n"))].join("\n")}\n`);
  const options = Object.entries({
    "Dir::Etc::sourcelist": path.join(state, "sources.list"),
    "Dir::Etc::sourceparts": "-",
    "Dir::State::lists": path.join(state, "lists"),
    "Dir::Cache": state,
  }).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
  await run("apt-get", [...options, "update"], { quiet: true });
  await run("apt-get", [...options, "source", "--download-only", name], { quiet: true, cwd: folder });
  const archive = readdirSync(folder).find((file) => file.includes(".orig.tar."));
  if (!archive) throw new VisibleError(`Debian's source package ${name} has no upstream archive.`);
  return path.join(folder, archive);
}

const isRoot = process.getuid?.() === 0;

function aptGet(...args) {
  // Debian's own daily upgrade may hold the lock for a while.
  const command = ["DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "DPkg::Lock::Timeout=300", ...args];
  return run(isRoot ? "env" : "sudo", command, { quiet: true });
}

let refreshed = false;

/** A fresh machine's package lists are empty or old. */
async function refreshLists() {
  if (refreshed) return;
  refreshed = true;
  try {
    await aptGet("update");
  } catch {
    // One source of several may be out of reach; whether a package is missing for it shows when it is installed.
  }
}
