import { createRequire } from "node:module";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type * as gcpModule from "@pulumi/gcp/provider.js";
import type * as ukgcpModule from "pulumi-unikernel/gcp";
import { StorageService } from "../../provider/src/targets/gcp/testing/storage-service.js";
import { SERVER } from "../support/guests.js";
import { Machine } from "../support/machine.js";
import { failureOf, OperationFailed, TestStack, unikernel } from "../support/stack.js";
import { GcpPlugin } from "./support/gcp-plugin.js";

const load = createRequire(import.meta.url);
const ukgcp = load("pulumi-unikernel/gcp") as typeof ukgcpModule;
const gcp = load("@pulumi/gcp/provider") as typeof gcpModule;

const IMAGE = "gcp:compute/image:Image";
const INSTANCE = "gcp:compute/instance:Instance";
const FIREWALL = "gcp:compute/firewall:Firewall";

let machine: Machine;
let stack: TestStack;
let storage: StorageService;
let plugin: GcpPlugin;

beforeEach(async () => {
  machine = new Machine();
  storage = await new StorageService().start();
  plugin = await new GcpPlugin(storage).start();
  stack = new TestStack(machine);
  stack.kernel(...SERVER);
  Object.assign(stack.env, {
    PULUMI_DEBUG_PROVIDERS: `gcp:${plugin.port}`,
    GOOGLE_OAUTH_ACCESS_TOKEN: storage.token,
    // Whoever has no credentials is not to ask for them outside of this machine, nor to find the user's.
    METADATA_SERVER_DETECTION: "none",
    GOOGLE_APPLICATION_CREDENTIALS: "",
    HOME: machine.folder,
  });
  stack.addData();
  stack.program = web();
});
afterEach(() => {
  for (const { pid } of stack.processes()) process.kill(pid, "SIGKILL");
  vi.unstubAllEnvs();
  plugin.stop();
  storage.stop();
  machine.dispose();
});

interface Change {
  /** Options of the instance. */
  opts?: () => object;
  instance?: object;
  target?: object;
  image?: Partial<ukgcpModule.ImageArgs>;
}

/** A program with an image and an instance of it on Compute Engine. */
function web(
  { instance: changed, target, image: how, opts }: Change = {},
  name = "web",
): () => Promise<Record<string, unknown>> {
  return async () => {
    const image = new unikernel.Image(`${name}-image`, { source: { directory: "./rootfs", command: ["/bin/server"] } });
    const args = {
      image,
      ports: [80],
      env: { GREETING: "hello" },
      target: ukgcp.target({
        machineType: "e2-micro",
        zone: "europe-west3-a",
        image: { bucket: "images", connection: { endpoint: storage.endpoint }, ...how },
        ...target,
      }),
      ...changed,
    };
    const instance = new unikernel.Instance(name, args, opts?.());
    return { url: instance.url, digest: image.digest, object: instance.gceImage.object.object };
  };
}

/** The objects that Cloud Storage keeps. */
const objects = (): string[] => [...storage.objects.keys()];

test("a stack's life on Google Cloud", async () => {
  await stack.preview();
  expect(storage.calls, "a preview asks nothing of Cloud Storage").toEqual([]);
  expect(plugin.asked).toEqual([]);

  const first = await stack.up();
  expect(first.outputs["url"]).toBe("http://203.0.113.7:80");
  expect(objects()).toEqual([`images/${String(first.outputs["object"])}`]);
  expect(first.outputs["object"]).toMatch(new RegExp(`/${String(first.outputs["digest"]).slice(7)}\\.tar\\.gz$`));
  expect(plugin.all(IMAGE)).toMatchObject([{ guestOsFeatures: [{ type: "UEFI_COMPATIBLE" }, { type: "GVNIC" }] }]);
  expect(plugin.all(INSTANCE)).toMatchObject([
    {
      metadata: { "user-data": '{"process":{"env":["GREETING=hello"]}}' },
      tags: plugin.all(FIREWALL)[0]?.["targetTags"],
    },
  ]);
  expect(plugin.all(FIREWALL)).toMatchObject([{ allows: [{ protocol: "tcp", ports: ["80"] }] }]);

  expect(first.output).toMatch(/uploading to Google Cloud: \d+\.\d MiB sent, \d+\.\d MiB\/s/);

  plugin.asked.length = 0;
  const calls = storage.calls.length;
  await stack.up();
  expect(storage.calls.length, "an update without a change asks nothing of Cloud Storage").toBe(calls);
  expect(plugin.asked).toEqual([]);

  stack.changeData();
  await stack.preview();
  expect(storage.calls.length).toBe(calls);
  const second = await stack.up();
  expect(plugin.asked).toEqual([`create ${IMAGE}`, `create ${INSTANCE}`, `delete ${INSTANCE}`, `delete ${IMAGE}`]);
  expect(objects(), "the former object is gone").toEqual([`images/${String(second.outputs["object"])}`]);

  await stack.up({ replace: "unikernel/gcp:DiskObject" });
  expect(objects(), "a replacement that is the same object stays").toEqual([
    `images/${String(second.outputs["object"])}`,
  ]);

  plugin.asked.length = 0;
  stack.program = web({ instance: { env: { GREETING: "good-bye" } } });
  await stack.up();
  expect(plugin.asked, "what takes effect at boot replaces the instance").toEqual([
    `create ${INSTANCE}`,
    `delete ${INSTANCE}`,
  ]);

  await stack.destroy();
  expect(objects()).toEqual([]);
  expect(plugin.resources.size).toBe(0);
  expect(storage.unfinished).toBe(0);
});

test("by a provider of the program's own: a preview sees that there is nothing to do", async () => {
  stack.program = web({
    opts: () => ({ providers: { gcp: new gcp.Provider("own", { project: "shop", accessToken: storage.token }) } }),
  });
  delete stack.env["GOOGLE_OAUTH_ACCESS_TOKEN"];
  await stack.up();
  expect((await stack.preview()).steps).toEqual([]);
});

test.each([
  ["n4-standard-2", "GVNIC", "hyperdisk-balanced", 4],
  ["c3-standard-4", "GVNIC", "pd-balanced", 10],
  ["g2-standard-4", "VIRTIO_NET", "pd-balanced", 10],
])("a machine %s gets the network card and the disk that it takes", async (machineType, nicType, type, size) => {
  stack.program = web({ target: { machineType } });
  await stack.up();
  expect(plugin.all(INSTANCE)).toMatchObject([
    { bootDisk: { initializeParams: { type, size } }, networkInterfaces: [{ nicType }] },
  ]);
});

describe("behind our back", () => {
  test("an object is deleted, and made again", async () => {
    const { outputs } = await stack.up();
    storage.objects.clear();
    await stack.refresh();
    plugin.asked.length = 0;
    await stack.up();
    expect(objects()).toEqual([`images/${String(outputs["object"])}`]);
    expect(plugin.asked, "the image does without").toEqual([]);
  });

  test("an image is deleted, and made again of the object", async () => {
    await stack.up();
    const image = [...plugin.resources].find(([, { type }]) => type === IMAGE)?.[0] ?? "";
    plugin.resources.delete(image);
    await stack.refresh();
    const begun = storage.count("begin");
    await stack.up();
    expect(plugin.all(IMAGE)).toHaveLength(1);
    expect(storage.count("begin")).toBe(begun);
  });
});

describe("an object that is not to stay", () => {
  beforeEach(() => {
    // What removes it runs in the program's process, which is this one.
    for (const [name, value] of Object.entries({ ...stack.env, ...machine.environment })) vi.stubEnv(name, value);
    stack.program = web({ image: { keepObject: false } });
  });

  test("is gone once there is an image, and comes back for another", async () => {
    await stack.up();
    expect(storage.count("begin")).toBe(1);
    expect(objects()).toEqual([]);
    await stack.refresh();
    plugin.asked.length = 0;
    await stack.up();
    expect(storage.count("begin"), "nothing is amiss").toBe(1);
    expect(plugin.asked).toEqual([]);

    const image = [...plugin.resources].find(([, { type }]) => type === IMAGE)?.[0] ?? "";
    plugin.resources.delete(image);
    await stack.refresh();
    await stack.up();
    expect(plugin.all(IMAGE), "an image that was deleted behind our back").toHaveLength(1);
    expect(objects()).toEqual([]);

    stack.program = web({ image: { keepObject: false, family: "web" } });
    await stack.up();
    expect(plugin.all(IMAGE)).toMatchObject([{ family: "web" }]);
    expect(objects()).toEqual([]);
    await stack.destroy();
    expect(plugin.resources.size).toBe(0);
  });

  test("stays from the update on that wants it kept", async () => {
    await stack.up();
    stack.program = web();
    await stack.up();
    expect(objects()).toHaveLength(1);
    await stack.destroy();
    expect(objects()).toEqual([]);
  });

  test("is gone from the update on that no longer wants it kept", async () => {
    stack.program = web();
    await stack.up();
    expect(objects()).toHaveLength(1);
    plugin.asked.length = 0;
    stack.program = web({ image: { keepObject: false } });
    await stack.up();
    expect(objects()).toEqual([]);
    expect(plugin.asked, "the image does without").toEqual([]);
  });

  test("is removed with the stack when no image could be made of it", async () => {
    stack.program = web({ image: { keepObject: false, labels: { Team: "no label can be called so" } } });
    expect(await failureOf(stack.up())).toContain("Invalid label 'Team");
    expect(objects()).toHaveLength(1);
    await stack.destroy();
    expect(objects()).toEqual([]);
  });
});

test("the state holds no credentials, no absolute path and no file", async () => {
  stack.program = web({
    image: { connection: { endpoint: storage.endpoint, credentials: { accessToken: storage.token } } },
  });
  delete stack.env["GOOGLE_OAUTH_ACCESS_TOKEN"];
  const { output } = await stack.up();

  const text = stack.stateText();
  for (const said of [text, output]) expect(said).not.toContain(storage.token);
  expect(text).not.toContain(machine.folder);
  const object = (await stack.resources()).find(({ type }) => type.endsWith("DiskObject"));
  expect(object?.type).toBe("pulumi-nodejs:dynamic/unikernel/gcp:DiskObject");
  expect(object?.inputs["__provider"]).toBe('exports.handler = () => require("pulumi-unikernel/dynamic/gcp-object");');
  expect({ ...object?.inputs, ...object?.outputs }).not.toHaveProperty("__context");
});

describe("what goes wrong is told in one sentence:", () => {
  test("what does not fit, in the preview", async () => {
    const cases: [Change, string][] = [
      [
        { target: { machineType: "t2a-standard-1" } },
        'The machine type "t2a-standard-1" does not fit the image: the series t2a has Arm processors',
      ],
      [
        { target: { machineType: "c3-standard-192-metal" } },
        'The machine type "c3-standard-192-metal" does not fit the image: it is a bare machine',
      ],
      [
        { target: { machineType: "e2-enormous" } },
        'The machine type "e2-enormous" does not fit the image: there is none of that name in europe-west3-a.',
      ],
      [{ instance: { memory: "2 GiB" } }, "it has 1024 MiB of memory, and 2048 MiB are asked for."],
      [
        { instance: { ports: [{ guest: 8080, host: 80 }] } },
        "Port 8080 of the guest cannot be port 80 of its host on Google Cloud",
      ],
      [{ instance: { env: { LARGE: "x".repeat(300_000) } } }, 'The metadata value "user-data" has 3000'],
    ];
    stack.program = async () => {
      await Promise.all(cases.map(([change], index) => web(change, `wrong-${index}`)()));
      return {};
    };
    const said = await failureOf(stack.preview());
    for (const [, sentence] of cases) expect(said).toContain(sentence);
    // The engine ends a preview by what it is told itself, which may be before the program has found the rest.
    stack.program = web({ image: { bucket: "gs://images" } });
    expect(await failureOf(stack.preview())).toContain('"bucket" must be the name of a bucket');
    expect(storage.calls).toEqual([]);
  });

  test("a bucket that does not exist; with another the next update goes on", async () => {
    stack.program = web({ image: { bucket: "nowhere" } });
    expect(await failureOf(stack.up())).toContain('There is no bucket "nowhere". Make one');
    stack.program = web();
    await stack.up();
    expect(objects()).toHaveLength(1);
  });

  test("no credentials", async () => {
    delete stack.env["GOOGLE_OAUTH_ACCESS_TOKEN"];
    expect(await failureOf(stack.up())).toContain(
      "There are no Google Cloud credentials. Sign in with `gcloud auth application-default login`",
    );
  });

  test("a permission that is missing; the next update goes on", async () => {
    storage.fault = ({ action }) =>
      action === "begin"
        ? {
            status: 403,
            reason: "forbidden",
            message: "deploy@shop.iam.gserviceaccount.com does not have storage.objects.create access to the object.",
          }
        : undefined;
    expect(await failureOf(stack.up())).toContain(
      'Google Cloud denied the request: the permission storage.objects.create on the bucket "images" is missing.',
    );
    storage.fault = () => undefined;
    await stack.up();
    expect(objects()).toHaveLength(1);
  });
});

describe("in mid-upload", () => {
  /** Starts an update whose parts are taken and never confirmed. */
  async function hangingUpload(): Promise<{ failure: Promise<unknown> }> {
    storage.gate = ({ action }) => (action === "part" ? delay(60_000, undefined, { ref: false }) : undefined);
    const failure = stack.up().catch((error: unknown) => error);
    await expect.poll(() => storage.count("part")).toBeGreaterThan(0);
    return { failure };
  }

  async function expectRecovery(): Promise<void> {
    storage.gate = () => undefined;
    await stack.unlock();
    await stack.up();
    expect(objects()).toHaveLength(1);
    expect(storage.unfinished).toBe(0);
  }

  test("^C, and again for at once, leaves nothing behind", async () => {
    const { failure } = await hangingUpload();
    process.kill(stack.engine()!, "SIGINT");
    await delay(500);
    process.kill(stack.engine()!, "SIGINT");

    expect(await failure).toBeInstanceOf(OperationFailed);
    await expect.poll(() => storage.unfinished).toBe(0);
    expect(objects()).toEqual([]);
    await expectRecovery();
  });

  test("the engine and the provider are killed: the next update goes on where they ended", async () => {
    const { failure } = await hangingUpload();
    for (const { pid, args } of stack.processes())
      if (args.some((argument) => argument.includes("dynamic-provider"))) process.kill(pid, "SIGKILL");
    process.kill(stack.engine()!, "SIGKILL");

    expect(await failure).toBeInstanceOf(OperationFailed);
    expect(storage.unfinished).toBe(1);
    await expectRecovery();
    expect(storage.count("begin")).toBe(1);
  });
});

test("two stacks upload the same image to one bucket at once, and each has an object of its own", async () => {
  const other = new TestStack(machine, "other", "other-project");
  Object.assign(other.env, stack.env);
  other.addData();
  other.program = web();
  const [one, two] = await Promise.all([stack.up(), other.up()]);

  expect(one.outputs["digest"]).toBe(two.outputs["digest"]);
  const keys = [one, two].map(({ outputs }) => `images/${String(outputs["object"])}`);
  expect(objects().sort()).toEqual(keys.sort());
  await stack.destroy();
  expect(objects()).toEqual([`images/${String(two.outputs["object"])}`]);
});
