// Running a part of the benchmark beside Debian's kernel, on a network of its own.
import { debianKernel } from "../../test/bench/linux/kernel.mjs";
import { run } from "./process.mjs";

/**
 * Runs a script of Node.js in a network namespace of its own, with Debian's kernel as JSON before its arguments. Guests and servers that
 * it starts end with this process, however that ends: it is the init of a process namespace, and that one is killed with its parent.
 */
export async function runBesideLinux(script, args) {
  const kernel = JSON.stringify(await debianKernel());
  // Root makes a network namespace as it is, anybody else in a user namespace.
  const user = process.getuid() === 0 ? [] : ["--user", "--map-root-user"];
  const namespaces = [...user, "--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
  await run("setpriv", ["--pdeathsig", "KILL", "unshare", ...namespaces, process.execPath, script, kernel, ...args]);
}
