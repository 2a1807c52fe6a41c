/**
 * A failure that the person at the terminal can do something about. Its message is a sentence that says what is wrong,
 * where, and what to do; it is shown without a stack. Any other error is a bug.
 */
export class VisibleError extends Error {
  override readonly name = "VisibleError";
}

/** The code (`ENOENT`, `ENOSPC`, …) of an error from the operating system. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  const code = (error as { code?: unknown }).code;
  return typeof code === "string" ? code : undefined;
}
