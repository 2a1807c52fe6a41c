import type { Progress } from "../image/index.js";

/** Shows the steps of a build on standard error: in one line that changes on a terminal, else each step once. */
export class ProgressLine {
  /** Steps take turns where layers of a container are pulled and unpacked at the same time. */
  readonly #shown = new Set<string>();

  readonly report = ({ message, bytes }: Progress): void => {
    if (process.stderr.isTTY) {
      const share = bytes && bytes.total > 0 ? ` ${Math.floor((bytes.done * 100) / bytes.total)} %` : "";
      process.stderr.write(`\r\x1b[K${`${message}${share}`.slice(0, process.stderr.columns - 1)}`);
    } else if (!this.#shown.has(message)) {
      process.stderr.write(`${message}\n`);
    }
    this.#shown.add(message);
  };

  /** Takes the line away. */
  readonly clear = (): void => {
    if (process.stderr.isTTY && this.#shown.size > 0) process.stderr.write("\r\x1b[K");
  };
}
