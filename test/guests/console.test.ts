import { copyFileSync, mkdirSync } from "node:fs";
import * as path from "node:path";
import { Writable } from "node:stream";
import { expect, test, vi } from "vitest";
import { buildImage } from "../../provider/src/image/index.js";
import { runForeground } from "../../provider/src/targets/local/index.js";
import { Cli } from "../support/cli.js";
import { guestProgram, onLinux } from "../support/guest.js";
import { PATIENCE_MS } from "../support/limits.js";
import { withMachine } from "../support/machine.js";

test("nothing of the output is lost when the input of `unikernel run` has ended", async () => {
  await withMachine(async (machine) => {
    const expected = onLinux(machine, "conformance-processes");
    mkdirSync(path.join(machine.folder, "root/tmp"), { recursive: true });
    copyFileSync(guestProgram("conformance-processes"), path.join(machine.folder, "root/program"));
    const { stdout, code } = await new Cli(machine, ["run", "root", "--", "/program"]).finished;

    expect(stdout.replaceAll("\r", "")).toBe(expected);
    expect(code).toBe(0);
  });
});

/** Somebody who looks at the console, and reads nothing until told to. */
class Reader extends Writable {
  #isReading = false;
  #waiting: (() => void) | undefined;
  text = "";

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    const take = (): void => {
      this.text += chunk.toString();
      done();
    };
    if (this.#isReading) take();
    else this.#waiting = take;
  }

  read(): void {
    this.#isReading = true;
    this.#waiting?.();
  }
}

test("an application does not wait for who reads its console slowly: what is lost is whole lines, and counted", async () => {
  await withMachine(async (machine) => {
    const image = await buildImage(
      { source: { binary: guestProgram("console") } },
      { baseDir: machine.folder, cacheDir: machine.cacheDir },
    );
    const output = new Reader();
    let isWritten = false;
    const guest = await runForeground(
      { id: "guest", image, memory: 64 << 20, cpus: 2, ports: [], config: {}, machine: "q35" },
      { cacheDir: machine.cacheDir, output, event: ({ event }) => (isWritten ||= event === "listening") },
    );
    await vi.waitFor(() => expect(isWritten).toBe(true), { timeout: PATIENCE_MS, interval: 50 });

    output.read();
    // Most of what the kernel keeps, 256 KiB: there is room for the note of what was lost.
    await vi.waitFor(() => expect(output.text.length).toBeGreaterThan(200_000), { timeout: PATIENCE_MS, interval: 50 });
    await guest.powerdown();
    expect(await guest.ended).toMatchObject({ code: 0 });

    const lines = output.text.split(/\r?\n/);
    const notes = lines.filter((line) => line.startsWith("unikernel: "));
    const said = lines.filter((line) => !line.startsWith("unikernel: "));
    const line = (thread: number, number: number): string =>
      `thread ${thread} line ${String(number).padStart(6, "0")} of many that are written to the console at once`;
    expect(said.splice(-2)).toEqual(["goodbye", ""]);
    const numbers = [0, 1, 2, 3].map((thread) =>
      said.filter((text) => text.startsWith(`thread ${thread} `)).map((text) => Number(/ line (\d+) /.exec(text)?.[1])),
    );
    // Whole, and each thread's in their order.
    for (const [thread, all] of numbers.entries()) {
      expect(all).toEqual([...all].sort((one, other) => one - other));
      const expected = all.map((number) => line(thread, number));
      expect(said.filter((text) => text.startsWith(`thread ${thread} `))).toEqual(expected);
    }
    expect(said).toHaveLength(numbers.flat().length);
    const lost = notes.map((note) =>
      Number(/^unikernel: (\d+) bytes of output were lost, the console is too slow$/.exec(note)?.[1]),
    );
    const missing = 4 * 8000 - said.length;
    expect(missing).toBeGreaterThan(0);
    expect(lost.reduce((sum, count) => sum + count, 0)).toBe(missing * (line(0, 0).length + 1));
  });
});
