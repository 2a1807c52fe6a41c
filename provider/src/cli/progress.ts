import type { Progress } from "../image/index.js";

/** Shows the steps of a build on standard error: in one line that changes on a terminal, else each step once. */
export class ProgressLine {
  #shown = "";

  readonly report = ({ message, bytes }: Progress): void => {
    if (process.stderr.isTTY) {
      const share = bytes && bytes.total > 0 ? ` ${Math.floor((bytes.done * 100) / bytes.total)} %` : "";
      process.stderr.write(`\r\x1b[K${`${message}${share}`.slice(0, process.stderr.columns - 1)}`);
    } else if (message !== this.#shown) {
      process.stderr.write(`${message}\n`);
    }
    this.#shown = message;
  };

  /** Takes the line away. */
  readonly clear = (): void => {
    if (process.stderr.isTTY && this.#shown !== "") process.stderr.write("\r\x1b[K");
  };
}
