import { expect, test } from "vitest";
import { checkStopSignal } from "./stop-signal.js";

const check = (signal: string) => () => checkStopSignal({ "org.opencontainers.image.stopSignal": signal });

test.each(["SIGQUIT", "quit", "3", "64", "SIGRTMIN", "RTMIN+3", "SIGRTMAX-14", "SIGPOLL"])(
  "%s is a signal",
  (signal) => {
    expect(check(signal)).not.toThrow();
  },
);

test.each(["", "0", "65", "-1", "SIG", "SIGFOO", "QUIT+1", "RTMIN-1", "RTMIN+31", "RTMAX+1", "RTMAX-31", "RTMIN+"])(
  "%j is not",
  (signal) => {
    expect(check(signal)).toThrow("is not a signal of Linux");
  },
);
