import { spawnSync } from "node:child_process";
import { Transform, type Readable, type TransformCallback } from "node:stream";
import { UsageError } from "./usage-error.js";

/** Comes before what was not typed; twice it was. The kernel's README has the rest. */
const DATA_LINK_ESCAPE = 0x10;
/** Comes before the size of the window: lines and columns, two bytes each. */
const WINDOW = "W".charCodeAt(0);

/** What is typed, and between it the sizes that the window gets. */
class Keys extends Transform {
  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const escaped = [...chunk].flatMap((byte) => (byte === DATA_LINK_ESCAPE ? [byte, byte] : [byte]));
    done(null, Buffer.from(escaped));
  }

  resize(height: number, width: number): void {
    const size = Buffer.from([DATA_LINK_ESCAPE, WINDOW, 0, 0, 0, 0]);
    size.writeUInt16BE(height, 2);
    size.writeUInt16BE(width, 4);
    this.push(size);
  }
}

/** The terminal that this command runs in, to be the guest's. */
export class HostTerminal {
  readonly #keys = new Keys();
  readonly #resized = (): void => {
    const { rows, columns } = process.stdout;
    this.#keys.resize(rows, columns);
  };
  readonly #release = (): void => this.release();

  /** @throws {UsageError} when standard input is none. */
  constructor() {
    if (!process.stdin.isTTY) {
      throw new UsageError(
        "-t makes this terminal the application's, and standard input is no terminal. Leave it out; -i passes on what comes in.",
      );
    }
  }

  /** Its size, as far as standard output shows it. */
  get size(): { height: number; width: number } | undefined {
    return process.stdout.isTTY ? { height: process.stdout.rows, width: process.stdout.columns } : undefined;
  }

  /** What the guest is to get: nothing before {@link attach}. */
  get input(): Readable {
    return this.#keys;
  }

  /** Gives it to the guest: every key goes there from now on, ^C too. */
  attach(): void {
    // Whatever ends this process, whoever typed here gets the terminal back as it was.
    process.once("exit", this.#release);
    process.stdin.setRawMode(true);
    // Node.js leaves it to the terminal to go to the first column with each line feed, which the guest's does already.
    spawnSync("stty", ["-opost"], { stdio: ["inherit", "ignore", "ignore"] });
    process.stdin.pipe(this.#keys);
    if (process.stdout.isTTY) process.stdout.on("resize", this.#resized);
  }

  /** Makes it what it was. */
  release(): void {
    process.off("exit", this.#release);
    process.stdout.off("resize", this.#resized);
    process.stdin.unpipe(this.#keys);
    process.stdin.setRawMode(false);
  }
}
