// Progress and errors as a person at the terminal reads them.

const colour = process.stderr.isTTY && !process.env.NO_COLOR;
const paint = (code, text) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text);

export const bold = (text) => paint(1, text);
export const dim = (text) => paint(2, text);
export const red = (text) => paint(31, text);
export const green = (text) => paint(32, text);

/** An error that is the user's to mend: its message is a sentence that says what to do, and no stack is shown. */
export class VisibleError extends Error {}

/** Seconds, for people: "0.4 s", "12 s", "4 min 05 s". */
export function duration(milliseconds) {
  const seconds = milliseconds / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${String(Math.round(seconds) % 60).padStart(2, "0")} s`;
}

/** Runs one step with a line before it that says what and why, and one after it with the time it took. */
export async function step(what, why, action) {
  const began = performance.now();
  console.error(`${bold("•")} ${what}${why ? dim(` (${why})`) : ""}`);
  const result = await action();
  console.error(dim(`  done in ${duration(performance.now() - began)}`));
  return result;
}

/** Runs a script's main function; a VisibleError prints as its sentence, anything else with its stack. */
export async function main(action) {
  try {
    await action();
  } catch (error) {
    console.error(error instanceof VisibleError ? `${red("error:")} ${error.message}` : error);
    process.exitCode = 1;
  }
}
