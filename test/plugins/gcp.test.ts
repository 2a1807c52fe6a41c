import { createRequire } from "node:module";
import type * as gcpModule from "@pulumi/gcp";
import { afterEach, beforeEach, expect, test } from "vitest";
import type * as ukgcpModule from "pulumi-unikernel/gcp";
import { FakeGcsServer } from "../gcp/support/fake-gcs-server.js";
import { SERVER } from "../support/guests.js";
import { Machine } from "../support/machine.js";
import { TestStack, unikernel } from "../support/stack.js";
import { ComputeEngine, PROJECT } from "./support/compute-engine.js";
import { live, type Life } from "./support/life.js";
import { pluginFolder, STAY_HERE } from "./support/plugin.js";

const load = createRequire(import.meta.url);
const ukgcp = load("pulumi-unikernel/gcp") as typeof ukgcpModule;
const gcp = load("@pulumi/gcp") as typeof gcpModule;

const IMAGE = "gcp:compute/image:Image";
const FIREWALL = "gcp:compute/firewall:Firewall";
const INSTANCE = "gcp:compute/instance:Instance";

const zone = "europe-west3-a";
const bucket = "images";

let machine: Machine;
let stack: TestStack;
let storage: FakeGcsServer;
let compute: ComputeEngine;

beforeEach(async () => {
  machine = new Machine({ accelerator: false });
  storage = await FakeGcsServer.start(bucket);
  compute = await new ComputeEngine((bucket, object) => storage.read(bucket, object)).start();
  stack = new TestStack(machine);
  stack.kernel(...SERVER);
  stack.plugins = { gcp: pluginFolder("gcp") };
  Object.assign(stack.env, STAY_HERE, {
    // That of the program's provider is known only while the program runs.
    GOOGLE_OAUTH_ACCESS_TOKEN: "anything",
    // Whoever has no credentials is not to ask for them outside of this machine, nor to find the user's.
    METADATA_SERVER_DETECTION: "none",
    GOOGLE_APPLICATION_CREDENTIALS: "",
    HOME: machine.folder,
  });
  stack.addData();
});
afterEach(() => {
  for (const { pid } of stack.processes()) process.kill(pid, "SIGKILL");
  compute.stop();
  storage.stop();
  machine.dispose();
});

/** What all of the stacks go through. */
function life(): Omit<Life, "types"> {
  return {
    asked: compute.asked,
    change: () => stack.changeData(),
    expectNoLeftovers: () => {
      expect(compute.all("images"), "the former image is gone").toHaveLength(1);
      expect(compute.all("instances"), "the former instance is gone").toHaveLength(1);
    },
    expectNothing: () => expect([...compute.resources.keys()]).toEqual([]),
  };
}

/** The provider of the whole program: whatever it would call is here. */
function provider(): gcpModule.Provider {
  return new gcp.Provider("gcp", {
    project: PROJECT,
    accessToken: "anything",
    computeCustomEndpoint: `${compute.endpoint}/compute/v1/`,
  });
}

const connection = (): NonNullable<ukgcpModule.ImageArgs["connection"]> => ({ endpoint: storage.endpoint });
const image = (): InstanceType<typeof unikernel.Image> =>
  new unikernel.Image("image", { source: { directory: "./rootfs", command: ["/bin/server"] } });

test("an image and an instance of it", async () => {
  stack.program = async () => {
    const opts = { provider: provider() };
    const gce = new ukgcp.Image(
      "web",
      { image: image(), bucket, connection: connection(), labels: { team: "shop" } },
      opts,
    );
    const instance = new gcp.compute.Instance(
      "web",
      {
        machineType: gce.fitting("e2-micro", {}, { zone }),
        bootDisk: { initializeParams: { image: gce.selfLink } },
        networkInterfaces: [{ network: "default", nicType: "VIRTIO_NET" }],
        metadata: ukgcp.metadata({ env: { GREETING: "hello" } }),
        zone,
      },
      { ...opts, replaceOnChanges: ["metadata"] },
    );
    return { image: gce.selfLink, instance: instance.id };
  };
  await live(stack, { ...life(), types: [IMAGE, INSTANCE] });
});

test.each(["e2-micro", "n4-standard-2"])("an instance the short way, of %s", async (machineType) => {
  stack.program = async () => {
    const instance = new unikernel.Instance(
      "web",
      {
        image: image(),
        ports: [80, { guest: 53, protocol: "udp" }],
        env: { GREETING: "hello" },
        target: ukgcp.target({ machineType, zone, image: { bucket, connection: connection() } }),
      },
      { providers: { gcp: provider() } },
    );
    return { url: instance.url, image: instance.gceImage.selfLink };
  };
  await live(stack, { ...life(), types: [IMAGE, FIREWALL, INSTANCE], lasting: [FIREWALL] });
});
