/**
 * How long a test waits for what takes a guest or a program seconds at most, in milliseconds: on a machine that is busy with other things both
 * are many times slower, and a limit is there to end what hangs, not to judge what is slow.
 */
export const PATIENCE_MS = 180_000;
