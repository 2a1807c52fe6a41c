import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { afterEach, beforeEach, expect, test } from "vitest";
import { program } from "../support/cli.js";
import { findProcesses, Machine } from "../support/machine.js";

/** `unikernel run -t` of this computer's Bash, between two looks at the terminal's settings. */
const COMMAND = [
  "tty; stty rows 33 cols 99; stty -g;",
  `sh -c 'echo process $$; exec ${process.execPath} ${program} run -t /bin/bash -- --norc';`,
  `echo "status $?"; stty -g`,
].join(" ");
const PROMPT = /bash-[\d.]+[#$] $/;

/** A person at a terminal, which `script` of util-linux makes. */
class Typist {
  readonly child: ChildProcess;
  /** What the terminal has shown. */
  shown = "";
  #from = 0;

  constructor(machine: Machine) {
    this.child = spawn("script", ["--quiet", "--return", "--command", COMMAND, "/dev/null"], {
      cwd: machine.folder,
      env: { ...process.env, ...machine.environment, TMPDIR: machine.folder, TERM: "vt102" },
    });
    this.child.stdout?.on("data", (chunk: Buffer) => (this.shown += chunk.toString("latin1")));
  }

  /** Waits until the terminal shows what it has not shown before, and returns the match. */
  async sees(pattern: RegExp): Promise<RegExpExecArray> {
    const found = (): RegExpExecArray | null => pattern.exec(this.shown.slice(this.#from));
    await expect.poll(() => found() ?? this.shown).toBeInstanceOf(Array);
    const match = found();
    if (match === null) throw new Error("The terminal shows less than before.");
    this.#from += match.index + match[0].length;
    return match;
  }

  types(keys: string): void {
    this.child.stdin?.write(keys);
  }

  /** Types a line and waits for what it prints, and for the next prompt. */
  async asks(line: string, answer: RegExp): Promise<void> {
    this.types(`${line}\r`);
    await this.sees(answer);
    await this.sees(PROMPT);
  }
}

let machine: Machine;
let typist: Typist;
let device: string;
let settings: string;
let command: number;
beforeEach(async () => {
  machine = new Machine();
  typist = new Typist(machine);
  device = (await typist.sees(/\/dev\/pts\/\d+/))[0];
  settings = (await typist.sees(/[0-9a-f]+(:[0-9a-f]+){10,}/))[0];
  command = Number((await typist.sees(/process (\d+)\r\n/))[1]);
  await typist.sees(PROMPT);
});
afterEach(() => {
  typist.child.kill("SIGKILL");
  machine.dispose();
});

/** The terminal is what it was. */
async function isRestored(): Promise<void> {
  await typist.sees(new RegExp(`${settings}\r\n`));
  expect(machine.guests()).toEqual([]);
}

test("a shell in a guest has the terminal of `unikernel run -t`", async () => {
  await typist.asks("[[ -t 0 && -t 1 && -t 2 ]] && echo a term''inal, $TERM", /a terminal, vt102\r\n/);
  await typist.asks("echo $LINES x $COLUMNS", /33 x 99\r\n/);
  await typist.asks(
    "read a b < /proc/self/stat; set -- ${b#*) }; echo tty $5, foreground $(( $6 == $$ ))",
    /tty 1088, foreground 1/,
  );

  // ^C ends what runs in the foreground, not the command on this side.
  typist.types("echo run''ning; while :; do :; done\r");
  await typist.sees(/\nrunning\r\n/);
  typist.types("\x03");
  await typist.sees(/\^C\r\n/);
  await typist.sees(PROMPT);
  await typist.asks("echo status $?", /status 130\r\n/);

  // ^Z stops a job, which goes on in the foreground.
  typist.types("$BASH -c 'echo st''arted; read line; echo got $line'\r");
  await typist.sees(/started\r\n/);
  typist.types("\x1a");
  await typist.sees(/Stopped/);
  await typist.sees(PROMPT);
  typist.types("fg\r");
  await typist.sees(/got \$line'\r\n/);
  typist.types("lime\x7f\x7fne\r");
  await typist.sees(/got line\r\n/);
  await typist.sees(PROMPT);

  // Single keys, also the one that escapes what is no key on the way to the guest.
  typist.types("read -rsn 3 keys; printf '%q\\n' \"$keys\"\r");
  await typist.sees(/keys"\r\n/);
  typist.types("a\x10\x1b");
  await typist.sees(/\$'a\\020\\E'\r\n/);
  await typist.sees(PROMPT);

  // More than the kernel keeps for a slow reader: who writes to a terminal waits.
  typist.types("for i in {1..3000}; do printf '%0100d\\n' $i; done; echo al''l\r");
  await typist.sees(/\nall\r\n/);
  expect(typist.shown.match(/\d{100}/g)?.map(Number)).toEqual(Array.from({ length: 3000 }, (_, i) => i + 1));
  await typist.sees(PROMPT);

  execFileSync("stty", ["-F", device, "rows", "40", "cols", "120"]);
  await typist.asks("until (( LINES == 40 )); do (:); done; echo $LINES x $COLUMNS", /40 x 120\r\n/);

  typist.types("exit 7\r");
  await typist.sees(/unikernel: the application ended with status 7\r\n/);
  await typist.sees(/status 7\r\n/);
  await isRestored();
});

test("nothing goes on when its terminal is closed", async () => {
  typist.child.kill("SIGKILL");
  // The shell does not heed being asked, and nobody is left to insist.
  await expect.poll(() => machine.guests()).toEqual([]);
  const isLeft = (): boolean => findProcesses((_, environment) => environment().includes(machine.folder)).length > 0;
  await expect.poll(isLeft).toBe(false);
});

test.each(["SIGTERM", "SIGHUP"] as const)("it is given back when %s ends the command", async (signal) => {
  // An interactive shell does not heed the first, which asks it to end. The second leaves it no choice.
  const ended = (): boolean => {
    const shown = /status \d+\r\n/.test(typist.shown);
    if (!shown) process.kill(command, signal);
    return shown;
  };
  await expect.poll(ended, { interval: 200 }).toBe(true);
  await isRestored();
});
