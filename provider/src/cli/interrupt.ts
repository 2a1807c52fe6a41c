import { constants } from "node:os";

/** A signal ended the work. */
export class Interrupted extends Error {
  constructor(readonly signal: "SIGINT" | "SIGTERM" | "SIGHUP") {
    super(`interrupted by ${signal}`);
  }

  /** Exit status of a program that this signal ended. */
  get status(): number {
    return 128 + constants.signals[this.signal];
  }
}

/** What asks a program to end. */
export const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Runs work that ^C, SIGTERM and a terminal that goes away end early; a second signal ends it at once.
 *
 * @throws {Interrupted} when a signal came.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const abort = (signal: NodeJS.Signals): void => {
    controller.abort(new Interrupted(signal as Interrupted["signal"]));
    stop();
  };
  const stop = (): void => SIGNALS.forEach((signal) => process.off(signal, abort));
  for (const signal of SIGNALS) process.on(signal, abort);
  try {
    const result = await work(controller.signal);
    controller.signal.throwIfAborted();
    return result;
  } catch (error) {
    // Whatever else goes wrong on the way out follows from the signal.
    controller.signal.throwIfAborted();
    throw error;
  } finally {
    stop();
  }
}
