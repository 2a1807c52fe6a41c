import * as os from "node:os";
import * as path from "node:path";

const machine = path.join(os.tmpdir(), "unikernel-test-*");
const cache = `${machine}/cache/unikernel/v1`;
const state = `${machine}/state/unikernel`;

/** The steps of what a user runs, each by a call that it begins or ends with, as `faults.cjs` names it. */
export const STEPS = {
  pulling: `rename ${cache}/tmp/* to ${cache}/blobs/#`,
  unpacking: `openSync ${cache}/tmp/*/contents`,
  writing: `openSync ${cache}/tmp/*/disk.erofs`,
  "starting QEMU": `spawn sh … ${state}/instances/web-#/qemu.pid`,
  "waiting for the port": `open ${state}/instances/web-#/status.jsonl`,
  "stopping the guest": `rm ${state}/locks/.*`,
  "handing the disk over": "write to web.img.#",
  "starting QEMU in the foreground": "spawn sh … chardev=qmp,mode=control",
} as const;

export type StepName = keyof typeof STEPS;
