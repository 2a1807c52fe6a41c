import { VisibleError } from "./errors.js";

/** The annotation by which the kernel is told what asks the application to end. */
const STOP_SIGNAL = "org.opencontainers.image.stopSignal";

/** Linux's signals on x86-64, in the order of their numbers from 1 on, without `SIG`. */
const NAMES = [
  ...[
    "HUP",
    "INT",
    "QUIT",
    "ILL",
    "TRAP",
    "ABRT",
    "BUS",
    "FPE",
    "KILL",
    "USR1",
    "SEGV",
    "USR2",
    "PIPE",
    "ALRM",
    "TERM",
  ],
  ...["STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO"],
  ...["PWR", "SYS"],
];
const ALIASES = ["CLD", "IOT", "POLL"];
/** What C libraries call `SIGRTMIN` and `SIGRTMAX`. */
const REAL_TIME = { min: 34, max: 64 };

/**
 * Makes sure that the stop signal among an image's annotations is one, as the kernel reads it: a number, or a name with or without `SIG`, such as
 * `SIGQUIT`, `3` or `SIGRTMIN+3`.
 *
 * @throws {VisibleError} when it is not.
 */
export function checkStopSignal(annotations: Record<string, string>): void {
  const signal = annotations[STOP_SIGNAL];
  if (signal === undefined || isSignal(signal.toUpperCase())) return;
  throw new VisibleError(
    `The image's stop signal "${signal}" is not a signal of Linux. Set one such as SIGTERM or SIGQUIT where the image is built ("STOPSIGNAL" in a Dockerfile).`,
  );
}

function isSignal(signal: string): boolean {
  if (/^\d+$/.test(signal)) return Number(signal) >= 1 && Number(signal) <= REAL_TIME.max;
  const name = signal.replace(/^SIG/, "");
  const [, base, offset] = /^(RTMIN|RTMAX)([+-]\d+)?$/.exec(name) ?? [];
  if (base === undefined) return NAMES.includes(name) || ALIASES.includes(name);
  const number = (base === "RTMIN" ? REAL_TIME.min : REAL_TIME.max) + Number(offset ?? 0);
  return number >= REAL_TIME.min && number <= REAL_TIME.max;
}
