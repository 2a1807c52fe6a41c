// The two that are compared.
import fs from "node:fs";
import path from "node:path";
import { imageOf } from "./applications.mjs";
import { writeInitrd } from "./linux/initrd.mjs";
import { guest, host } from "./network.mjs";

/**
 * A system boots an application.
 * @typedef {object} System
 * @property {string} title
 * @property {(application: string) => Promise<import("./guest.mjs").Boot>} boot
 * @property {(application: string) => Promise<number>} bytes Size of all that is needed to boot it beside the disk.
 */

/** @returns {System} */
export function unikernel() {
  return {
    title: "unikernel",
    async boot(application) {
      const { disk, kernel } = await imageOf(application);
      return { kernel: kernel.path, disk };
    },
    async bytes(application) {
      return fs.statSync((await imageOf(application)).kernel.path).size;
    },
  };
}

/**
 * @param {{ version: string, image: string, modules: string }} kernel Debian's.
 * @param {string} folder Where to work.
 * @param {string[]} parameters More for the kernel.
 * @returns {System}
 */
export function linux({ version, image, modules }, folder, parameters = []) {
  const initrd = async (application) => {
    const output = path.join(folder, `${encodeURIComponent(application)}.cpio`);
    if (!fs.existsSync(output)) {
      const { config } = await imageOf(application);
      await writeInitrd({ modules, config, address: guest.address, nameServer: host.address, folder, output });
    }
    return output;
  };
  return {
    title: `Linux ${version}`,
    async boot(application) {
      const { disk } = await imageOf(application);
      // Quiet, because the emulated serial port is slow; a panic ends the machine at once.
      const commandLine = ["console=ttyS0", "quiet", "panic=-1", ...parameters];
      const extra = ["-initrd", await initrd(application), "-append", commandLine.join(" ")];
      return { kernel: image, disk, extra, init: path.join(folder, "init") };
    },
    async bytes(application) {
      return fs.statSync(image).size + fs.statSync(await initrd(application)).size;
    },
  };
}
