import { asm, pvhKernel } from "../probe-guest.js";

/** One thing that a scripted guest does. */
export type Step =
  | { console: string }
  /** One line on the status channel. */
  | { status: object }
  /** Ends QEMU by isa-debug-exit. */
  | { exit: number }
  | "halt"
  | "spin"
  | "reset";

/** A kernel that does these steps on bare hardware and no more: a guest whose every move a test decides. */
export function scriptedGuest(...steps: Step[]): Buffer {
  const code: number[] = [];
  for (const step of steps) {
    if (step === "halt") code.push(...asm.halt());
    else if (step === "spin") code.push(...asm.spin());
    else if (step === "reset") code.push(...asm.tripleFault());
    else if ("console" in step) code.push(...asm.print(0x3f8, step.console, code));
    else if ("status" in step) code.push(...asm.print(0xe9, `${JSON.stringify(step.status)}\n`, code));
    else code.push(...asm.out(0x501, step.exit));
  }
  return pvhKernel(Uint8Array.from([...code, ...asm.halt()]));
}
