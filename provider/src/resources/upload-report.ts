import type { Context } from "./resource.js";

const REPORT_EVERY_MS = 500;

/** How far an upload has come, in words. */
export interface Report {
  /** Bytes that were sent. */
  sent: number;
  /** Whether it is to be shown whenever the last one was. */
  isLast?: boolean;
  /** The line, with what was sent and the rate, such as "1.5 MiB sent, 0.7 MiB/s". */
  line: (sent: string) => string;
}

/** Tells the person at the terminal how far an upload has come, a few times a second. */
export function reportUpload<P>(
  { status }: Pick<Context, "status">,
  describe: (progress: P) => Report,
): (progress: P) => void {
  const began = performance.now();
  let last = -Infinity;
  return (progress) => {
    const { sent, isLast = false, line } = describe(progress);
    const now = performance.now();
    if (now - last < REPORT_EVERY_MS && !isLast) return;
    last = now;
    const mebibytes = sent / 2 ** 20;
    const rate = mebibytes / Math.max(0.001, (now - began) / 1000);
    status(line(`${mebibytes.toFixed(1)} MiB sent, ${rate.toFixed(1)} MiB/s`));
  };
}

/** The end of a line about an upload that goes on where another ended. */
export function sentBefore(bytes: number): string {
  return bytes === 0 ? "" : `, ${(bytes / 2 ** 20).toFixed(1)} MiB had been sent before`;
}
