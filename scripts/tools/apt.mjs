// Debian's and Ubuntu's packages.
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

/** True when apt knows the package in a version that can be installed. */
export function isAvailable(name) {
  return /Candidate: \d/.test(capture("apt-cache", ["policy", name]) ?? "");
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
  const root = process.getuid?.() === 0;
  if (!root && !which("sudo"))
    throw new VisibleError(
      `These packages are missing (${why}), and installing them takes root or sudo. ` +
        `As root, run: apt-get install --no-install-recommends ${list}`,
    );
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const aptGet = (...args) =>
    root
      ? run("apt-get", args, { quiet: true, env })
      : run("sudo", ["DEBIAN_FRONTEND=noninteractive", "apt-get", ...args], {
          quiet: true,
          stdio: ["inherit", "pipe", "pipe"],
        });
  await step(`Install packages: ${list}`, why, async () => {
    // A fresh machine's package lists are empty or old: refresh them once, then again only when a package is unknown.
    await refreshLists(aptGet);
    await aptGet("install", "--yes", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", ...missing);
  });
}

let refreshed = false;
async function refreshLists(aptGet) {
  if (refreshed) return;
  await aptGet("update", "-o", "DPkg::Lock::Timeout=300");
  refreshed = true;
}
