import { constants } from "node:os";
import { parseArgs, type ParseArgsConfig } from "node:util";
import { closest } from "fastest-levenshtein";
import { VisibleError } from "../image/index.js";
import { build } from "./build.js";
import { COMMANDS, OVERVIEW } from "./help.js";
import { inspect } from "./inspect.js";
import { Interrupted } from "./interrupt.js";
import { run } from "./run.js";
import { UsageError } from "./usage-error.js";

/** A command of `unikernel`. */
export interface Command {
  options: NonNullable<ParseArgsConfig["options"]>;
  /** Exit status when it fails. */
  failure: number;
  /** Gives the exit status. */
  main(invocation: Invocation): Promise<number>;
}

/** What a command was called with. */
export interface Invocation {
  source: string;
  values: Record<string, string | boolean | (string | boolean)[] | undefined>;
  /** What follows `--`. */
  rest: string[];
}

const BROKEN_PIPE = 128 + constants.signals.SIGPIPE;

const commands: Record<string, Command> = { run, build, inspect };

/** Runs the command line of this process. */
export function main(): void {
  // Whoever reads has enough, as in `| head`: the status is that of a program which SIGPIPE ends. What runs ends with this process.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(BROKEN_PIPE);
    throw error;
  });
  process.stderr.on("error", () => undefined);
  void execute(process.argv.slice(2)).then((status) => {
    // Not process.exit: what is written to a pipe has to arrive.
    process.exitCode = status;
  });
}

/** Runs a command line and gives its exit status. */
export async function execute(argv: string[]): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || name === "-h" || name === "--help" || name === "help") {
    return print(name === "help" && rest[0] !== undefined ? (COMMANDS[rest[0]] ?? OVERVIEW) : OVERVIEW);
  }
  if (name === "-V" || name === "--version") return print(`${packageVersion()}\n`);
  const command = commands[name];
  if (command === undefined) {
    return complain(
      new UsageError(`There is no command "${name}". Did you mean "${closest(name, Object.keys(commands))}"?`),
      1,
    );
  }
  try {
    const dashes = rest.indexOf("--");
    const given = dashes < 0 ? rest : rest.slice(0, dashes);
    if (given.includes("-h") || given.includes("--help")) return print(COMMANDS[name] ?? OVERVIEW);
    const { values, positionals } = parse(given, command.options);
    const [source, second] = positionals;
    if (source === undefined) throw new UsageError(`What is to be ${PARTICIPLES[name]}? Give a SOURCE.`);
    if (second !== undefined) {
      throw new UsageError(
        `There is a second SOURCE, "${second}". Arguments for the application come after two dashes: \`-- ${second}\`.`,
      );
    }
    return await command.main({ source, values, rest: dashes < 0 ? [] : rest.slice(dashes + 1) });
  } catch (error) {
    return complain(error, command.failure, name);
  }
}

const PARTICIPLES: Record<string, string> = { run: "run", build: "built", inspect: "inspected" };

function parse(args: string[], options: Command["options"]): { values: Invocation["values"]; positionals: string[] } {
  try {
    return parseArgs({ args, options, allowPositionals: true, strict: true });
  } catch (error) {
    // Node's own words, without its advice on how to write a positional.
    throw new UsageError(`${(error as Error).message.split(". To specify")[0] ?? ""}.`.replace("..", "."));
  }
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

function complain(error: unknown, failure: number, name?: string): number {
  if (error instanceof Interrupted) return error.status;
  if (!(error instanceof VisibleError)) {
    console.error(error);
    return failure;
  }
  console.error(`unikernel: ${error.message}`);
  if (!(error instanceof UsageError)) return failure;
  console.error(`Try \`unikernel ${name === undefined ? "" : `${name} `}--help\`.`);
  return 2;
}

function packageVersion(): string {
  // oxlint-disable-next-line typescript/no-require-imports -- The version is where npm keeps it.
  return (require("../../package.json") as { version: string }).version;
}
