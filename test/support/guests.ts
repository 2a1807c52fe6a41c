import type { Step } from "../../provider/src/targets/local/testing/scripted-guest.js";

export const BOOT: Step = { status: { event: "boot", version: "0.0.0" } };
export const LISTENING: Step = { status: { event: "listening", protocol: "tcp", address: "0.0.0.0", port: 8080 } };

/** What a kernel does whose application is a web server on port 8080. */
export const SERVER: Step[] = [{ console: "hello from the guest\n" }, BOOT, LISTENING, "halt"];
/** One whose application never gets to listen. */
export const THINKER: Step[] = [BOOT, { console: "thinking\n" }, "halt"];
/** One whose application crashes. */
export const CRASH: Step[] = [
  BOOT,
  { console: "segmentation fault at 0x0\n" },
  { status: { event: "exit", signal: "SIGSEGV", code: 139 } },
  { exit: 139 },
];
