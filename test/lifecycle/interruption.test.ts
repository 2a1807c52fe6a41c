import { existsSync, readdirSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SERVER, THINKER } from "../support/guests.js";
import { Machine } from "../support/machine.js";
import { OperationFailed, TestStack, unikernel } from "../support/stack.js";

let machine: Machine;
let stack: TestStack;
beforeEach(() => {
  machine = new Machine();
  stack = new TestStack(machine);
  stack.program = web;
});
afterEach(() => {
  for (const { pid } of stack.processes()) process.kill(pid, "SIGKILL");
  machine.dispose();
});

async function web(): Promise<Record<string, unknown>> {
  const source = { directory: "./rootfs", command: ["/bin/server"] };
  const image = new unikernel.Image("image", { source });
  const timeouts = { start: "60 s", stop: "0.3 s" };
  const instance = new unikernel.Instance("web", {
    image,
    memory: "16 MiB",
    ports: [{ guest: 8080, host: 0 }],
    timeouts,
  });
  return { digest: image.digest, state: instance.state };
}

/** Processes of the provider, which the engine starts. */
const providers = (): number[] =>
  stack.processes().flatMap(({ pid, line }) => (line.includes("dynamic-provider") ? [pid] : []));

/** Starts an update whose guest never gets ready, and returns when that guest runs. */
async function hangingUpdate(): Promise<{ failure: Promise<unknown> }> {
  stack.kernel(...THINKER);
  const failure = stack.up().catch((error: unknown) => error);
  await expect.poll(() => machine.guests(), { timeout: 60_000, interval: 100 }).toHaveLength(1);
  return { failure };
}

/** The next update works, and one guest runs: the one that it started. */
async function expectRecovery(): Promise<void> {
  stack.kernel(...SERVER);
  await stack.unlock();
  expect((await stack.up()).outputs["state"]).toBe("running");
  expect(machine.guests()).toHaveLength(1);
  await stack.destroy();
  expect(machine.guests()).toEqual([]);
}

describe("SIGKILL while a guest is starting", () => {
  test("of the engine: the provider ends, and takes the guest with it", async () => {
    const { failure } = await hangingUpdate();
    process.kill(stack.engine()!, "SIGKILL");

    expect(await failure).toBeInstanceOf(OperationFailed);
    await expect.poll(() => machine.guests(), { timeout: 20_000 }).toEqual([]);
    await expect.poll(providers, { timeout: 20_000 }).toEqual([]);
    await expectRecovery();
  });

  test("of the engine and the provider: the next update finds the guest and replaces it", async () => {
    const { failure } = await hangingUpdate();
    for (const pid of [...providers(), stack.engine()!]) process.kill(pid, "SIGKILL");

    expect(await failure).toBeInstanceOf(OperationFailed);
    expect(machine.guests()).toHaveLength(1);
    await expectRecovery();
  });
});

test("SIGKILL while the image is built leaves nothing that the next update stumbles over", async () => {
  stack.kernel(...SERVER);
  const update = stack.up().catch((error: unknown) => error);
  await expect.poll(() => existsSync(machine.cacheDir), { timeout: 60_000, interval: 5 }).toBe(true);
  for (const pid of [...providers(), stack.engine()!]) process.kill(pid, "SIGKILL");

  await update;
  await expectRecovery();
});

test("two stacks can build the same image and run it at the same time", async () => {
  const other = new TestStack(machine, "other", "other-project");
  for (const each of [stack, other]) {
    each.kernel(...SERVER);
    each.program = web;
  }
  const [one, two] = await Promise.all([stack.up(), other.up()]);

  expect(one.outputs["digest"]).toBe(two.outputs["digest"]);
  expect(machine.guests()).toHaveLength(2);
  await stack.destroy();
  expect(machine.guests()).toHaveLength(1);
  expect((await other.up()).changes).toEqual({ image: "same", web: "same" });
});

test("another machine with an empty cache takes the stack over", async () => {
  stack.kernel(...SERVER);
  const before = await stack.up();
  const away = new Machine();
  try {
    const here = stack.machine;
    stack.machine = away;
    const { changes, outputs } = await stack.up();

    expect(outputs["digest"]).toBe(before.outputs["digest"]);
    expect(changes).toEqual({ image: "same", web: "update" });
    expect(away.guests()).toHaveLength(1);
    expect(readdirSync(here.cacheDir)).not.toEqual([]);
  } finally {
    away.dispose();
  }
});
