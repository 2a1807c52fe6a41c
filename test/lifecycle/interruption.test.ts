import { existsSync, readdirSync, rmSync } from "node:fs";
import * as path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { SERVER } from "../support/guests.js";
import { Machine } from "../support/machine.js";
import { startRegistry } from "../support/registry.js";
import { STEPS, type StepName } from "../support/steps.js";
import { failureOf, TestStack, unikernel } from "../support/stack.js";

let machine: Machine;
let stack: TestStack;
beforeEach(() => {
  machine = new Machine();
  stack = new TestStack(machine);
  stack.program = () => web();
});
afterEach(() => machine.dispose());

async function web({
  container,
  name,
  cpus = 1,
  port = 8080,
}: { container?: string; name?: string; cpus?: number; port?: number } = {}): Promise<Record<string, unknown>> {
  const source = container === undefined ? { directory: "./rootfs", command: ["/bin/server"] } : { container };
  const image = new unikernel.Image("image", { source });
  const timeouts = { start: "120 s", stop: "0.3 s" };
  const instance = new unikernel.Instance("web", {
    image,
    ...(name !== undefined && { name }),
    memory: "16 MiB",
    cpus,
    ports: [{ guest: port, host: 0 }],
    timeouts,
  });
  return { digest: image.digest, state: instance.state };
}

/** Processes of the provider, which the engine starts. */
const providers = (): number[] =>
  stack.processes().flatMap(({ pid, args }) => (args.join(" ").includes("dynamic-provider") ? [pid] : []));

/** Runs an operation until its provider is at a step, does something then, and sees the operation fail. */
async function hitAt(step: StepName, operation: "up" | "destroy", hit: () => Promise<void> | void): Promise<void> {
  const paused = path.join(machine.folder, "paused");
  stack.env["FAULTS"] = JSON.stringify({ at: STEPS[step], how: "pause", paused });
  let ended = false;
  const failure = failureOf(stack[operation]()).finally(() => (ended = true));
  // Whoever waits for it is told.
  failure.catch(() => undefined);
  await expect.poll(() => ended || existsSync(paused), { interval: 5 }).toBe(true);
  if (ended) throw new Error(`The operation has ended before ${step}: ${await failure}`);
  await hit();
  rmSync(paused);
  await failure;
  delete stack.env["FAULTS"];
}

const signal = (pids: number[], name: NodeJS.Signals): void => pids.forEach((pid) => process.kill(pid, name));

/** What a person's ^C at the terminal does, as often as it says. */
async function interrupt(times: number): Promise<void> {
  // It reaches the engine alone: whatever that has started leads a process group of its own.
  const group = -stack.engine()!;
  process.kill(group, "SIGINT");
  // The engine takes another for a second one only when it has acted on the first.
  await expect.poll(() => stack.output).toContain("^C received; cancelling");
  if (times === 1) return;
  process.kill(group, "SIGINT");
  await expect.poll(() => stack.output).toContain("^C received; terminating");
}

const HITS = {
  "^C": () => interrupt(1),
  "^C twice": () => interrupt(2),
  "SIGTERM of the engine": async () => {
    signal([stack.engine()!], "SIGTERM");
    await expect.poll(() => stack.output).toContain("SIGTERM received; cancelling");
  },
  "SIGKILL of the engine": () => signal([stack.engine()!], "SIGKILL"),
  "SIGKILL of the provider": () => signal(providers(), "SIGKILL"),
  "SIGKILL of both": () => signal([...providers(), stack.engine()!], "SIGKILL"),
};

/**
 * Ways to end an update, none of which keeps the next one from getting further. On SIGTERM, as on a single ^C, the engine lets the resource that it
 * is at be finished, so the image is built then.
 */
const INTERRUPTIONS: [StepName, keyof typeof HITS][] = [
  ["pulling", "SIGKILL of the provider"],
  ["pulling", "^C twice"],
  ["unpacking", "SIGKILL of both"],
  ["unpacking", "^C twice"],
  ["writing", "SIGKILL of the provider"],
  ["writing", "SIGTERM of the engine"],
  ["starting QEMU", "SIGKILL of the engine"],
  ["starting QEMU", "^C twice"],
  ["waiting for the port", "SIGKILL of the provider"],
  ["waiting for the port", "SIGKILL of both"],
  ["waiting for the port", "SIGKILL of the engine"],
  ["waiting for the port", "^C twice"],
];

/** Ways to end an update that let a guest come up which is starting. Each meets a guest of its own. */
const FINISHING: [keyof typeof HITS, cpus: number][] = [
  ["^C", 1],
  ["SIGTERM of the engine", 2],
];

test("an update that is ended at any step leaves no guest, and the next one just works", async () => {
  stack.kernel(...SERVER);
  const container = await startRegistry(machine);
  for (const [step, hit] of INTERRUPTIONS) {
    const what = `${step}, ${hit}`;
    // One at which nobody listens is waited for until the end is told, which comes a moment after the engine has said that it ends.
    const port = step === "waiting for the port" ? 9 : 8080;
    stack.program = () => web({ container, port });
    await hitAt(step, "up", HITS[hit]);
    await expect.poll(providers, { message: what }).toEqual([]);
    await expect.poll(() => machine.guests(), { message: what }).toEqual([]);
    await stack.unlock();
  }
  for (const [hit, cpus] of FINISHING) {
    stack.program = () => web({ container, cpus });
    await hitAt("starting QEMU", "up", HITS[hit]);
    expect(machine.guests(), hit).toHaveLength(1);
    const { changes, outputs } = await stack.up();
    expect({ changes, outputs }, hit).toMatchObject({
      changes: { image: "same", web: "same" },
      outputs: { state: "running" },
    });
  }
  expect(readdirSync(path.join(machine.cacheDir, "v1/tmp"))).toEqual([]);

  await hitAt("stopping the guest", "destroy", HITS["SIGKILL of both"]);
  await stack.unlock();
  await stack.destroy();
  expect(machine.guests()).toEqual([]);
});

test("two stacks can build the same image and run it at the same time, but not under the same name", async () => {
  const other = new TestStack(machine, "other", "other-project");
  for (const each of [stack, other]) {
    each.kernel(...SERVER);
    each.program = () => web();
  }
  const [one, two] = await Promise.all([stack.up(), other.up()]);

  expect(one.outputs["digest"]).toBe(two.outputs["digest"]);
  expect(machine.guests()).toHaveLength(2);
  await stack.destroy();
  expect(machine.guests()).toHaveLength(1);
  expect((await other.up()).changes).toEqual({ image: "same", web: "same" });

  const name = (await other.resources()).find(({ type }) => type.endsWith("Instance"))?.id ?? "";
  const [guest] = machine.guests();
  stack.program = () => web({ name });
  expect(await failureOf(stack.up())).toContain(
    `The name "${name}" is taken on this machine by "web" of the stack organization/test/other in file://`,
  );
  expect(machine.guests()).toEqual([guest]);
});

test("another machine with an empty cache and another folder takes the stack over", async () => {
  stack.kernel(...SERVER);
  const before = await stack.up();
  const away = new Machine();
  try {
    const here = stack.machine;
    stack.machine = away;
    stack.move(path.join(away.folder, "elsewhere"));
    const { changes, outputs } = await stack.up();

    expect(outputs["digest"]).toBe(before.outputs["digest"]);
    expect(changes).toEqual({ image: "same", web: "update" });
    expect(away.guests()).toHaveLength(1);
    expect(readdirSync(here.cacheDir)).not.toEqual([]);
  } finally {
    away.dispose();
  }
});
