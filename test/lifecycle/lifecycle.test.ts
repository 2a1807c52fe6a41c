import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import * as path from "node:path";
import type { CustomResourceOptions } from "@pulumi/pulumi";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openImage, type Digest } from "../../provider/src/image/index.js";
import { CRASH, SERVER, THINKER } from "../support/guests.js";
import { Machine } from "../support/machine.js";
import { startRegistry, stepsOf } from "../support/registry.js";
import { failureOf, pulumi, TestStack, unikernel, type Changes } from "../support/stack.js";

const { version: VERSION } = JSON.parse(
  readFileSync(path.resolve(import.meta.dirname, "../../provider/package.json"), "utf8"),
) as { version: string };

let machine: Machine;
let stack: TestStack;
beforeEach(() => {
  machine = new Machine();
  stack = new TestStack(machine);
  stack.kernel(...SERVER);
});
afterEach(() => machine.dispose());

/** A program with one image and one instance. */
function web(
  change: { image?: object; instance?: object; name?: string; options?: CustomResourceOptions } = {},
): () => Promise<Record<string, unknown>> {
  return async () => {
    const source = { directory: "./rootfs", command: ["/bin/server"] };
    const image = new unikernel.Image("image", { source, ...change.image });
    const args = {
      image,
      memory: "16 MiB",
      ports: [{ guest: 8080, host: 0 }],
      timeouts: { start: "120 s", stop: "0.3 s" },
      ...change.instance,
    };
    const instance = new unikernel.Instance(change.name ?? "web", args, change.options);
    return {
      digest: image.digest,
      url: instance.url,
      state: instance.state,
      reason: instance.reason,
      consoleLog: instance.consoleLog,
    };
  };
}

/** The files that instances have left on the machine. */
function leftovers(): string[] {
  if (!existsSync(machine.stateDir)) return [];
  return readdirSync(machine.stateDir, { recursive: true, encoding: "utf8" }).filter(
    (name) => !["instances", "locks"].includes(name),
  );
}

/** What the state holds of the resource of this kind. */
async function outputsOf(kind: string): Promise<Record<string, unknown>> {
  return (await stack.resources()).find(({ type }) => type.endsWith(`:${kind}`))?.outputs ?? {};
}

/** One step of a stack's life. */
interface Step {
  what: string;
  program?: () => Promise<Record<string, unknown>>;
  before?: () => void;
  operation: "preview" | "up" | "refresh" | "destroy";
  /** The type of resources that are to be replaced for no other reason than that somebody says so. */
  replace?: string;
  changes: Changes;
  guests: number;
  /** Whether it is the guest of the step before. */
  sameGuest?: boolean;
  /** What the stack says. */
  outputs?: object;
  /** What is kept of the instance. */
  instance?: object;
}

const GREEN = { image: { env: { COLOR: "green" } } };
const GREETING = { env: { GREETING: "hi" } };
/** Whatever the cache holds is gone. */
const emptyCache = (): void => rmSync(machine.cacheDir, { recursive: true });

const LIFE: Step[] = [
  {
    what: "a preview builds, and starts nothing",
    operation: "preview",
    changes: { image: "create", web: "create" },
    guests: 0,
  },
  {
    what: "an update starts the guest, though the cache has been emptied since the preview",
    before: emptyCache,
    operation: "up",
    changes: { image: "create", web: "create" },
    guests: 1,
    outputs: { state: "running" },
  },
  {
    what: "a second one changes nothing, though the disk of the running guest is gone",
    before: emptyCache,
    operation: "up",
    changes: { image: "same", web: "same" },
    guests: 1,
    sameGuest: true,
  },
  {
    what: "a preview of a change shows it, and leaves the guest alone",
    program: web(GREEN),
    operation: "preview",
    changes: { image: "update", web: "replace" },
    guests: 1,
    sameGuest: true,
  },
  {
    what: "a changed image replaces the guest",
    operation: "up",
    changes: { image: "update", web: "replace" },
    guests: 1,
    sameGuest: false,
    outputs: { state: "running" },
  },
  {
    what: "a changed environment starts the guest anew, even a protected one, and leaves the image alone",
    program: web({ ...GREEN, instance: GREETING, options: { protect: true } }),
    operation: "up",
    changes: { image: "same", web: "update" },
    guests: 1,
    sameGuest: false,
  },
  {
    what: "a changed time-out is noted without a new guest",
    program: web({ ...GREEN, instance: { ...GREETING, timeouts: { stop: "0.2 s" } } }),
    operation: "up",
    changes: { image: "same", web: "update" },
    guests: 1,
    sameGuest: true,
  },
  {
    what: "a refresh notices that the guest died",
    before: () => process.kill(machine.guests()[0]!, "SIGKILL"),
    operation: "refresh",
    changes: { image: "refresh", web: "refresh" },
    guests: 0,
    instance: { state: "failed", reason: expect.stringMatching(/^QEMU ended without a word from the guest/) as string },
  },
  {
    what: "an update starts it again",
    operation: "up",
    changes: { image: "same", web: "update" },
    guests: 1,
    outputs: { state: "running" },
  },
  {
    what: "an update notices it without a refresh, too, and changed ports with it",
    before: () => process.kill(machine.guests()[0]!, "SIGKILL"),
    program: web({ ...GREEN, instance: { ports: [{ guest: 8080, host: 0, hostAddress: "127.0.0.2" }] } }),
    operation: "up",
    changes: { image: "same", web: "update" },
    guests: 1,
    outputs: { state: "running", url: expect.stringMatching(/^http:\/\/127\.0\.0\.2:\d+$/) as string },
  },
  {
    what: "a replacement that somebody forces takes the place of the guest",
    operation: "up",
    replace: "unikernel:Instance",
    changes: { image: "same", web: "replace" },
    guests: 1,
    sameGuest: false,
    outputs: { state: "running" },
  },
  {
    what: "and is there to stay",
    operation: "up",
    changes: { image: "same", web: "same" },
    guests: 1,
    sameGuest: true,
  },
  {
    what: "a resource under another name, with the old one as an alias, is the same guest",
    program: web({
      ...GREEN,
      instance: { ports: [{ guest: 8080, host: 0, hostAddress: "127.0.0.2" }] },
      name: "site",
      options: { aliases: [{ name: "web" }] },
    }),
    operation: "up",
    changes: { image: "same", site: "same" },
    guests: 1,
    sameGuest: true,
  },
  { what: "destroying leaves nothing", operation: "destroy", changes: { image: "delete", site: "delete" }, guests: 0 },
];

test("a stack's life", async () => {
  stack.program = web();
  for (const step of LIFE) {
    if (step.program !== undefined) stack.program = step.program;
    const [before] = machine.guests();
    step.before?.();
    const { changes, outputs } = await stack[step.operation](step);

    expect(changes, step.what).toEqual(step.changes);
    await expect.poll(() => machine.guests(), { message: step.what }).toHaveLength(step.guests);
    if (step.sameGuest !== undefined) expect(machine.guests()[0] === before, step.what).toBe(step.sameGuest);
    if (step.outputs !== undefined) expect(outputs, step.what).toMatchObject(step.outputs);
    if (step.instance !== undefined) expect(await outputsOf("Instance"), step.what).toMatchObject(step.instance);
  }
  expect(leftovers()).toEqual([]);
});

describe("the state", () => {
  test("names the provider by the line that all stacks have, and says what an image and an instance are", async () => {
    const container = await startRegistry(machine);
    stack.program = web({ image: { source: { container }, args: ["--verbose"], command: ["/app", "serve"] } });
    const { output } = await stack.up();
    for (const step of stepsOf(container)) expect(output, "the display says what takes long").toContain(step);

    const resources = await stack.resources();
    expect(resources.map(({ type }) => type).sort()).toEqual([
      "pulumi-nodejs:dynamic/unikernel:Image",
      "pulumi-nodejs:dynamic/unikernel:Instance",
    ]);
    const provider = (kind: string): unknown => resources.find(({ type }) => type.endsWith(kind))?.inputs["__provider"];
    expect(provider("Image")).toBe('exports.handler = () => require("pulumi-unikernel/dynamic/image");');
    expect(provider("Instance")).toBe('exports.handler = () => require("pulumi-unikernel/dynamic/instance");');

    const { digest, size, ...image } = await outputsOf("Image");
    expect(image).toMatchObject({
      architecture: "x86_64",
      commandLine: ["/app", "serve", "--verbose"],
      kernelVersion: VERSION,
    });
    const built = await openImage(digest as Digest, { cacheDir: machine.cacheDir });
    expect(size).toBe(statSync(built!.disk).size);

    const { address, url, ports, consoleLog } = await outputsOf("Instance");
    const [port] = ports as { host: number }[];
    expect({ address, url }).toEqual({ address: `127.0.0.1:${port?.host}`, url: `http://127.0.0.1:${port?.host}` });
    const console = String(consoleLog).replace("$XDG_STATE_HOME", machine.stateHome);
    expect(readFileSync(console, "utf8")).toContain("hello from the guest");
  });

  test("holds no absolute path, no context, and no secret in the clear", async () => {
    const source = { directory: path.join(stack.folder, "rootfs"), command: ["/bin/server"] };
    const image = { source, env: { WORD: pulumi.secret("abracadabra") }, args: ["--word", pulumi.secret("mellon")] };
    stack.program = web({ image, instance: { env: { TOKEN: pulumi.secret("open-sesame") } } });
    const { output } = await stack.up();

    const text = stack.stateText();
    expect(text).not.toContain(machine.folder);
    for (const secret of ["open-sesame", "abracadabra", "mellon"]) expect(text + output).not.toContain(secret);
    expect(output).toContain('The secret in "env" and "args" becomes part of the image,');
    const resources = await stack.resources();
    for (const { inputs, outputs } of resources) expect({ ...inputs, ...outputs }).not.toHaveProperty("__context");
    expect(resources.find(({ type }) => type.endsWith("Image"))?.inputs["source"]).toMatchObject({
      directory: "./rootfs",
    });
  });
});

describe("a preview", () => {
  test("shows the change of the digest", async () => {
    stack.program = web();
    const before = await stack.up();
    stack.program = web({ image: { env: { COLOR: "blue" } } });
    const { output } = await stack.preview();

    expect(output).toMatch(new RegExp(`digest +: "${String(before.outputs["digest"])}" => "sha256:[0-9a-f]{64}"`));
  });

  test("builds nothing when told not to", async () => {
    stack.program = web({ image: { buildOnPreview: false } });
    const { output } = await stack.preview();

    expect(output).toMatch(/digest +: \[unknown\]/);
    expect(existsSync(path.join(machine.cacheDir, "v1/disks"))).toBe(false);
    expect((await stack.up()).outputs["state"]).toBe("running");
  });

  test("puts the build off when an input is unknown, and says which", async () => {
    stack.program = async () => {
      const source = { directory: "./rootfs", command: ["/bin/server"] };
      const first = new unikernel.Instance("first", {
        image: new unikernel.Image("one", { source }).digest,
        memory: "16 MiB",
        ports: [{ guest: 8080, host: 0 }],
        timeouts: { stop: 0 },
      });
      new unikernel.Image("two", { source, env: { UPSTREAM: first.url.apply(String) } });
      return {};
    };

    expect((await stack.preview()).output).toContain(
      "not built yet: env.UPSTREAM will be known only during the update",
    );
    expect((await stack.up()).changes["two"]).toBe("create");
  });

  test("fails for an image that cannot be built", async () => {
    stack.program = web({ image: { source: { directory: "./nothing", command: ["/bin/server"] } } });

    expect(await failureOf(stack.preview())).toMatch(/Image resource 'image' has a problem: .*nothing/);
  });
});

test("an input that is wrong is told in one sentence", async () => {
  stack.program = web({ instance: { memmory: "16 MiB" } });

  expect(await failureOf(stack.preview())).toContain('Instance has no input "memmory". Did you mean "memory"?');
});

describe("a guest that does not come up", () => {
  test("because it crashes: the update fails with the console, and the next one mends it", async () => {
    stack.kernel(...CRASH);
    stack.program = web();
    const message = await failureOf(stack.up());
    expect(message).toContain("The guest ended while it was starting: SIGSEGV ended the application.");
    expect(message).toContain("segmentation fault at 0x0");
    expect(await outputsOf("Instance")).toMatchObject({ state: "failed", exitCode: 139 });

    stack.kernel(...SERVER);
    expect((await stack.up()).outputs["state"]).toBe("running");
    expect(machine.guests()).toHaveLength(1);
  });

  test("because it never listens: the update fails when the time is over", async () => {
    stack.kernel(...THINKER);
    stack.program = web({ instance: { timeouts: { start: "5 s", stop: 0 } } });
    const message = await failureOf(stack.up());
    expect(message).toContain("The guest was not ready after 5 s: nothing listens on port 8080/tcp in the guest.");
    expect(message).toMatch(/The last lines of the console:\n +thinking/);
    expect(machine.guests()).toHaveLength(1);

    await stack.destroy();
    expect(machine.guests()).toEqual([]);
    expect(leftovers()).toEqual([]);
  });
});
