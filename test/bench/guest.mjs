// One guest in QEMU, of either kind, on the same command line.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import fs from "node:fs";
import path from "node:path";
import { guest as nic, tap } from "./network.mjs";

const require = createRequire(import.meta.url);
const { qemuArguments } = require("../../provider/dist/targets/local/arguments.js");

const MiB = 1024 * 1024;

/**
 * What a system boots an application with.
 * @typedef {object} Boot
 * @property {string} kernel Path of the kernel.
 * @property {string} disk Path of the root file system.
 * @property {string[]} [extra] Further arguments for QEMU.
 * @property {string} [init] Path of the first program that a kernel starts which does not start the application itself.
 */

export class Guest {
  /**
   * @param {Boot} boot
   * @param {{ memory: number, cpus?: number, accelerator: string, qboot: boolean, folder: string }} options `memory` in MiB; `folder` for its files.
   */
  constructor(boot, { memory, cpus = 1, accelerator, qboot, folder }) {
    this.console = path.join(folder, "console.log");
    for (const name of fs.readdirSync(folder)) fs.rmSync(path.join(folder, name), { recursive: true });
    const args = qemuArguments({
      machine: "q35",
      accelerator,
      sandbox: false,
      qboot,
      memory: memory * MiB,
      cpus,
      kernel: boot.kernel,
      disk: boot.disk,
      ports: [],
      status: { file: path.join(folder, "status") },
      console: { file: this.console },
      qmp: { socket: path.join(folder, "qmp") },
      pidFile: path.join(folder, "pid"),
      name: "bench",
    });
    const network = args.indexOf("-netdev") + 1;
    args[network] = `tap,id=net,ifname=${tap},script=no,downscript=no`;
    const device = args.findIndex((argument) => argument.startsWith("virtio-net-"));
    args[device] += `,mac=${nic.mac}`;
    this.child = spawn("qemu-system-x86_64", [...args, ...(boot.extra ?? [])], { stdio: ["ignore", "ignore", "pipe"] });
    this.complaint = "";
    this.child.stderr.on("data", (data) => (this.complaint += data));
    this.ended = new Promise((resolve) => this.child.once("close", resolve));
    this.hasEnded = false;
    void this.ended.then(() => (this.hasEnded = true));
  }

  async stop() {
    this.child.kill("SIGKILL");
    await this.ended;
  }

  /** What the guest and QEMU said last. */
  lastWords() {
    const console = fs.existsSync(this.console) ? fs.readFileSync(this.console, "utf8") : "";
    return `${this.complaint}${console}`.trim().split("\n").slice(-15).join("\n");
  }
}
