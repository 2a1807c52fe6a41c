// Running a part of the benchmark beside Debian's kernel, on a network of its own.
import { debianKernel } from "../../test/bench/linux/kernel.mjs";
import { run } from "./process.mjs";

/** Runs a script of Node.js in a network namespace of its own, with Debian's kernel as JSON before its arguments. */
export async function runBesideLinux(script, args) {
  const kernel = JSON.stringify(await debianKernel());
  // Root makes a network namespace as it is, anybody else in a user namespace.
  const namespace = process.getuid() === 0 ? ["--net"] : ["--net", "--user", "--map-root-user"];
  await run("unshare", [...namespace, process.execPath, script, kernel, ...args]);
}
