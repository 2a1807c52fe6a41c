import { Transform, type TransformCallback } from "node:stream";

/** How the kernel's own lines begin. */
const KERNEL_PREFIX = Buffer.from("unikernel: ");
const NEWLINE = 0x0a;

/** Ends the guest's standard input: what ^D sends. */
const END_OF_TRANSMISSION = 0x04;
/** Before a byte that stands for itself and not for what it would mean otherwise. */
const DATA_LINK_ESCAPE = 0x10;

/** Makes standard input ready for the guest's serial port, which has no end of its own. */
export class ConsoleInput extends Transform {
  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const escaped: number[] = [];
    for (const byte of chunk) {
      if (byte === END_OF_TRANSMISSION || byte === DATA_LINK_ESCAPE) escaped.push(DATA_LINK_ESCAPE);
      escaped.push(byte);
    }
    done(null, Buffer.from(escaped));
  }

  override _flush(done: TransformCallback): void {
    done(null, Buffer.from([END_OF_TRANSMISSION]));
  }
}

/** Parts the console into the application's lines, which pass through, and the kernel's, which go elsewhere. */
export class ConsoleSplitter extends Transform {
  /** The start of a line that may yet turn out to be the kernel's. */
  #held = Buffer.alloc(0);
  #line: "start" | "application" | "kernel" = "start";

  constructor(private readonly kernel: NodeJS.WritableStream) {
    super();
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    let rest = Buffer.concat([this.#held, chunk]);
    this.#held = Buffer.alloc(0);
    while (rest.length > 0) {
      if (this.#line === "start") {
        const known = Math.min(rest.length, KERNEL_PREFIX.length);
        const fits = rest.subarray(0, known).equals(KERNEL_PREFIX.subarray(0, known));
        if (fits && known < KERNEL_PREFIX.length) {
          this.#held = rest;
          break;
        }
        this.#line = fits ? "kernel" : "application";
      }
      const newline = rest.indexOf(NEWLINE);
      const end = newline < 0 ? rest.length : newline + 1;
      this.#write(rest.subarray(0, end));
      if (newline >= 0) this.#line = "start";
      rest = rest.subarray(end);
    }
    done();
  }

  override _flush(done: TransformCallback): void {
    if (this.#held.length > 0) this.push(this.#held);
    done();
  }

  #write(bytes: Buffer): void {
    if (this.#line === "kernel") this.kernel.write(bytes);
    else this.push(bytes);
  }
}
