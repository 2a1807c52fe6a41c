import { existsSync, readdirSync } from "node:fs";
import * as path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SERVER, THINKER } from "../support/guests.js";
import { Machine } from "../support/machine.js";
import { failureOf, OperationFailed, TestStack, unikernel } from "../support/stack.js";

let machine: Machine;
let stack: TestStack;
beforeEach(() => {
  machine = new Machine();
  stack = new TestStack(machine);
  stack.program = () => web();
});
afterEach(() => machine.dispose());

async function web({ stop = "0.3 s", name }: { stop?: string; name?: string } = {}): Promise<Record<string, unknown>> {
  const source = { directory: "./rootfs", command: ["/bin/server"] };
  const image = new unikernel.Image("image", { source });
  const timeouts = { start: "120 s", stop };
  const instance = new unikernel.Instance("web", {
    image,
    ...(name !== undefined && { name }),
    memory: "16 MiB",
    ports: [{ guest: 8080, host: 0 }],
    timeouts,
  });
  return { digest: image.digest, state: instance.state };
}

/** Processes of the provider, which the engine starts. */
const providers = (): number[] =>
  stack.processes().flatMap(({ pid, args }) => (args.join(" ").includes("dynamic-provider") ? [pid] : []));

/** Waits for something that happens in the middle of an operation. */
async function during(operation: Promise<unknown>, moment: () => boolean): Promise<{ failure: Promise<unknown> }> {
  let ended = false;
  const failure = operation.then(
    () => "it succeeded",
    (error: unknown) => error,
  );
  void failure.then(() => (ended = true));
  await expect.poll(() => ended || moment(), { timeout: 120_000, interval: 5 }).toBe(true);
  if (ended) throw await failure;
  return { failure };
}

/** Starts an update whose guest never gets ready, and returns when that guest runs. */
async function hangingUpdate(): Promise<{ failure: Promise<unknown> }> {
  stack.kernel(...THINKER);
  return during(stack.up(), () => machine.guests().length === 1);
}

function killEverything(): void {
  for (const pid of [...providers(), stack.engine()!]) process.kill(pid, "SIGKILL");
}

/** The next update works, and one guest runs: the one that it started. */
async function expectRecovery(): Promise<void> {
  stack.kernel(...SERVER);
  expect((await stack.up()).outputs["state"]).toBe("running");
  expect(machine.guests()).toHaveLength(1);
  await stack.destroy();
  expect(machine.guests()).toEqual([]);
}

describe("SIGKILL", () => {
  test("of the engine while a guest is starting: the provider ends, and takes the guest with it", async () => {
    const { failure } = await hangingUpdate();
    process.kill(stack.engine()!, "SIGKILL");

    expect(await failure).toBeInstanceOf(OperationFailed);
    await expect.poll(() => machine.guests()).toEqual([]);
    await expect.poll(providers).toEqual([]);
    await stack.unlock();
    await expectRecovery();
  });

  test("of the engine and the provider while a guest is starting: the guest ends with them", async () => {
    const { failure } = await hangingUpdate();
    killEverything();

    expect(await failure).toBeInstanceOf(OperationFailed);
    await expect.poll(() => machine.guests()).toEqual([]);
    await stack.unlock();
    await expectRecovery();
  });

  test("of both while the image is built: the next update builds it", async () => {
    stack.kernel(...SERVER);
    const { failure } = await during(stack.up(), () => existsSync(path.join(machine.cacheDir, "v1/tmp")));
    killEverything();

    expect(await failure).toBeInstanceOf(OperationFailed);
    await stack.unlock();
    await expectRecovery();
  });

  test("of both while a guest is stopping: the next one stops it", async () => {
    stack.kernel(...SERVER);
    stack.program = () => web({ stop: "60 s" });
    await stack.up();
    // Whoever stops a guest holds its lock.
    const locks = path.join(machine.stateDir, "locks");
    const { failure } = await during(stack.destroy(), () => readdirSync(locks).length > 0);
    killEverything();

    expect(await failure).toBeInstanceOf(OperationFailed);
    await stack.unlock();
    stack.program = () => web({ stop: "0.3 s" });
    await stack.up();
    await stack.destroy();
    expect(machine.guests()).toEqual([]);
  });
});

test("^C twice while a guest is starting: the guest ends, and the next update starts another", async () => {
  const { failure } = await hangingUpdate();
  const engine = stack.engine()!;
  process.kill(engine, "SIGINT");
  // The engine takes the second for a second one only when it has acted on the first.
  await expect.poll(() => stack.output).toContain("^C received; cancelling");
  process.kill(engine, "SIGINT");

  expect(await failure).toBeInstanceOf(OperationFailed);
  await expect.poll(() => machine.guests()).toEqual([]);
  await expectRecovery();
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
