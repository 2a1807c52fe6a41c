import { existsSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import * as path from "node:path";
import type * as pulumiModule from "@pulumi/pulumi";
import type * as automation from "@pulumi/pulumi/automation/index.js";
import { expect } from "vitest";
import type { Step } from "../../provider/src/targets/local/testing/scripted-guest.js";
import { scriptedGuest } from "../../provider/src/targets/local/testing/scripted-guest.js";
import { noise } from "../../provider/src/targets/testing/disk.js";
import type * as unikernelModule from "pulumi-unikernel";
import { findProcesses, type Machine, type Process } from "./machine.js";

// Loaded as a user's program loads them: compiled, and each only once.
const load = createRequire(import.meta.url);
export const unikernel = load("pulumi-unikernel") as typeof unikernelModule;
export const pulumi = load("@pulumi/pulumi") as typeof pulumiModule;
const { LocalWorkspace, PulumiCommand } = load("@pulumi/pulumi/automation") as typeof automation;

const modules = path.resolve(import.meta.dirname, "../../node_modules");

const DATA_BYTES = 6_000_000;

/** What happened to each resource, by its name: `create`, `update`, `replace`, `delete`, `same`. */
export type Changes = Record<string, string>;

/** What an operation did and said. */
export interface Result {
  changes: Changes;
  /** What was done to resources of whatever package, in order: `create aws:ec2/ami:Ami`. */
  steps: string[];
  output: string;
  outputs: Record<string, unknown>;
}

/** An operation that failed. */
export class OperationFailed extends Error {}

/** Sees that an operation fails. Resolves to what it said. */
export async function failureOf(operation: Promise<Result>): Promise<string> {
  const error: unknown = await operation.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(OperationFailed);
  return (error as OperationFailed).message;
}

/** A project with one stack, whose program can change between operations, run by the real engine. */
export class TestStack {
  folder: string;
  readonly backend: string;
  /** More of the environment of the engine and the provider. */
  readonly env: Record<string, string> = {};
  /** The folders of the plugins that are not to be looked for elsewhere, by the names of their packages. */
  plugins: Record<string, string> = {};
  program: () => Promise<Record<string, unknown>> = async () => ({});
  /** What the operation that runs, or ran last, has said. */
  output = "";
  #stack: automation.Stack | undefined;

  constructor(
    public machine: Machine,
    readonly name = "dev",
    folder = "project",
  ) {
    this.folder = path.join(machine.folder, folder);
    this.backend = path.join(machine.folder, "backend");
    mkdirSync(path.join(this.folder, "node_modules"), { recursive: true });
    mkdirSync(this.backend, { recursive: true });
    symlinkSync(path.join(modules, "pulumi-unikernel"), path.join(this.folder, "node_modules", "pulumi-unikernel"));
    symlinkSync(path.join(modules, "@pulumi"), path.join(this.folder, "node_modules", "@pulumi"));
    // A root file system with one static program; what it does, the kernel decides.
    mkdirSync(path.join(this.folder, "rootfs/bin"), { recursive: true });
    writeFileSync(path.join(this.folder, "rootfs/bin/server"), staticElf(), { mode: 0o755 });
  }

  /** Puts data into the application's root: six megabytes that nothing compresses, the same in every stack. */
  addData(): void {
    this.#writeData(noise(DATA_BYTES, 1));
  }

  /** Changes a line in the middle of the data. */
  changeData(): void {
    const data = noise(DATA_BYTES, 1);
    data.write("one line", DATA_BYTES / 2);
    this.#writeData(data);
  }

  #writeData(data: Buffer): void {
    writeFileSync(path.join(this.folder, "rootfs/data"), data);
  }

  /** Makes every guest from now on do these steps. */
  kernel(...steps: Step[]): void {
    const file = path.join(this.machine.folder, "kernel.elf");
    writeFileSync(file, scriptedGuest(...steps));
    this.env["UNIKERNEL_KERNEL"] = file;
  }

  async preview(): Promise<Result> {
    return this.#run((stack, options) => stack.preview({ ...options, diff: true }));
  }

  /** @param replace - The end of the type of those resources that are to be replaced for no other reason. */
  async up({ replace }: { replace?: string } = {}): Promise<Result> {
    if (replace === undefined) return this.#run((stack, options) => stack.up(options));
    const urns = (await this.resources()).flatMap(({ type, urn }) => (type.endsWith(replace) ? [urn] : []));
    expect(urns).not.toEqual([]);
    return this.#run((stack, options) => stack.up({ ...options, replace: urns }));
  }

  async refresh(): Promise<Result> {
    return this.#run((stack, options) => stack.refresh(options));
  }

  async destroy(): Promise<Result> {
    return this.#run((stack, options) => stack.destroy(options));
  }

  /** Moves the project to another folder. */
  move(folder: string): void {
    renameSync(this.folder, folder);
    this.folder = folder;
    this.#stack = undefined;
  }

  /** Forgets an operation that was killed. */
  async unlock(): Promise<void> {
    await (await this.#open()).cancel().catch(() => undefined);
  }

  /** What the state says of the resources of this package. */
  async resources(): Promise<
    { type: string; urn: string; id: string; inputs: Record<string, unknown>; outputs: Record<string, unknown> }[]
  > {
    const deployment: unknown = (await (await this.#open()).exportStack()).deployment;
    type Resources = { resources?: Awaited<ReturnType<TestStack["resources"]>> };
    return ((deployment as Resources).resources ?? []).filter(({ type }) => type.includes("unikernel"));
  }

  /** The whole state as it is on the disk. */
  stateText(): string {
    return readFileSync(this.#stateFile, "utf8");
  }

  /** The engine's process, while an operation runs. */
  engine(): number | undefined {
    return this.processes().find(
      ({ args: [program = "", operation = "", ...rest] }) =>
        path.basename(program) === "pulumi" &&
        ["preview", "up", "destroy", "refresh"].includes(operation) &&
        rest.join(" ").includes(`--stack ${this.name}`),
    )?.pid;
  }

  /** The processes that have this machine's state in their environment. */
  processes(): Process[] {
    return findProcesses((_args, environment) => environment().includes(this.machine.stateHome));
  }

  async #open(): Promise<automation.Stack> {
    // The type of settings does not know of plugins; the engine does.
    const plugins = { providers: Object.entries(this.plugins).map(([name, path]) => ({ name, path })) };
    const exists = existsSync(this.#stateFile) || this.#copyNew();
    this.#stack ??= await LocalWorkspace[exists ? "selectStack" : "createStack"](
      { projectName: "test", stackName: this.name, program: () => this.program() },
      {
        pulumiCommand: await quickCommand(),
        workDir: this.folder,
        envVars: this.#environment(),
        // Unless told, the engine takes the folder that the tests run in for the project's.
        projectSettings: Object.assign({ name: "test", runtime: "nodejs", main: this.folder }, { plugins }),
      },
    );
    this.#stack.workspace.envVars = this.#environment();
    if (!exists)
      newStacks.set(
        this.name,
        this.#files.map((file) => readFileSync(file)),
      );
    return this.#stack;
  }

  /** Writes what the engine wrote for another new stack of this name. Returns whether there was one. */
  #copyNew(): boolean {
    const contents = newStacks.get(this.name);
    if (contents === undefined) return false;
    for (const [index, file] of this.#files.entries()) {
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, contents[index] ?? "");
    }
    return true;
  }

  #environment(): Record<string, string> {
    return {
      PATH: [path.join(modules, "@pulumi/pulumi"), process.env["PATH"]].join(path.delimiter),
      PULUMI_BACKEND_URL: `file://${this.backend}`,
      PULUMI_CONFIG_PASSPHRASE: "test",
      PULUMI_SKIP_UPDATE_CHECK: "1",
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
      NODE_OPTIONS: `--require ${JSON.stringify(path.join(import.meta.dirname, "provider-start.cjs"))}`,
      ...this.machine.environment,
      ...this.env,
    };
  }

  async #run(operation: (stack: automation.Stack, options: automation.UpOptions) => Promise<unknown>): Promise<Result> {
    const stack = await this.#open();
    this.output = "";
    const changes: Changes = {};
    const steps: string[] = [];
    const write = (text: string): void => void (this.output += text);
    const onEvent = ({ resourcePreEvent }: automation.EngineEvent): void => {
      const step = resourcePreEvent?.metadata;
      if (step && !["same", "read", "refresh"].includes(step.op)) steps.push(`${step.op} ${step.type}`);
      if (step?.type.includes("unikernel"))
        changes[step.urn.split("::").at(-1) ?? ""] = mainStep(changes[step.urn.split("::").at(-1) ?? ""], step.op);
    };
    try {
      await operation(stack, { onOutput: write, onError: write, onEvent });
    } catch {
      throw new OperationFailed(this.output);
    }
    return { changes, steps, output: this.output, outputs: this.#outputs() };
  }

  /** The outputs of the stack, from its state. */
  #outputs(): Record<string, unknown> {
    if (!existsSync(this.#stateFile)) return {};
    interface State {
      checkpoint: { latest: { resources?: { type: string; outputs?: Record<string, unknown> }[] } | null };
    }
    const { latest } = (JSON.parse(this.stateText()) as State).checkpoint;
    return latest?.resources?.find(({ type }) => type === "pulumi:pulumi:Stack")?.outputs ?? {};
  }

  get #stateFile(): string {
    return path.join(this.backend, `.pulumi/stacks/test/${this.name}.json`);
  }

  /** What `pulumi stack init` writes. */
  get #files(): string[] {
    const settings = path.join(this.folder, `Pulumi.${this.name}.yaml`);
    return [path.join(this.backend, ".pulumi/meta.yaml"), this.#stateFile, settings];
  }
}

/** The files of a new stack, by its name: the engine makes one for all tests of a file. */
const newStacks = new Map<string, Buffer[]>();

/** A replacement comes in several steps; that it is one is what counts. */
function mainStep(before: string | undefined, op: string): string {
  return before === "replace" || op.includes("replace") ? "replace" : op;
}

let command: Promise<automation.PulumiCommand> | undefined;

/**
 * The command `pulumi`. After each operation the automation API runs it three times more, for outputs and history, which takes as long as the
 * operation and is not wanted here; nor is the choice of a stack, as each operation names its own.
 */
function quickCommand(): Promise<automation.PulumiCommand> {
  command ??= PulumiCommand.get().then((pulumi) => {
    type Run = (args: string[], ...rest: unknown[]) => Promise<{ stdout: string; stderr: string; code: number }>;
    // Each engine leads a process group, as a command does that somebody types at a terminal.
    const runOther = (pulumi as unknown as { run: Run }).run.bind({ command: "setsid" });
    const run: Run = (args, ...rest) => runOther(["pulumi", ...args], ...rest);
    const answers: Record<string, string> = { "stack select": "", "stack output": "{}", "stack history": "[]" };
    const quick: Run = async (args, ...rest) => {
      const answer = answers[args.slice(0, 2).join(" ")];
      return answer === undefined ? run(args, ...rest) : { stdout: answer, stderr: "", code: 0 };
    };
    return Object.assign(pulumi, { run: quick });
  });
  return command;
}

/** The smallest ELF file that the image builder takes for a static executable. */
function staticElf(): Buffer {
  return scriptedGuest("halt");
}
