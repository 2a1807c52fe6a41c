// Where guests of both systems are run: a folder, a network, the accelerator that there is.
import { createRequire } from "node:module";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { setUpNetwork } from "./network.mjs";
import { linux, unikernel } from "./systems.mjs";

const require = createRequire(import.meta.url);
const { findQemu } = require("../../provider/dist/targets/local/qemu.js");
const { probeAccelerator } = require("../../provider/dist/targets/local/accelerator.js");

/**
 * What QEMU can do here.
 * @param {string} folder For what is found out.
 */
export const probe = async (folder) => probeAccelerator(await findQemu("x86_64"), folder);

/**
 * Makes it, for as long as this process runs. Call it in a fresh network namespace.
 * @param {string} name Of the folder.
 * @param {string} kernel Debian's, as JSON.
 * @param {string[]} [parameters] More for it.
 */
export async function preparePlace(name, kernel, parameters) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), `unikernel-${name}-`));
  process.once("exit", () => fs.rmSync(folder, { recursive: true, force: true }));
  const guestFolder = path.join(folder, "guest");
  fs.mkdirSync(guestFolder);
  setUpNetwork(folder);
  const { accelerator, qboot } = await probe(folder);
  return {
    accelerator,
    qboot,
    folder: guestFolder,
    systems: [unikernel(), linux(JSON.parse(kernel), folder, parameters)],
  };
}
