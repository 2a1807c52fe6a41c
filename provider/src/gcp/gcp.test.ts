import { Provider } from "@pulumi/gcp/provider";
import * as storage from "@pulumi/gcp/storage";
import * as pulumi from "@pulumi/pulumi";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MockedProgram, value } from "../cloud/testing/program.js";
import { Image as UnikernelImage } from "../hosts/dynamic/image.js";
import { Instance } from "../hosts/instance.js";
import { Image, metadata, nicType, target, type Instance as GcpInstance } from "./index.js";
import { misfit, type Demands, type MachineTypeFacts } from "./machine-type.js";
import { renderMetadata } from "./metadata.js";

const DIGEST = `sha256:${"ab".repeat(32)}`;
const OBJECT = "pulumi-nodejs:dynamic/unikernel/gcp:DiskObject";
const URL = "https://storage.googleapis.com/images/web-1/abab.tar.gz";

let program: MockedProgram;

beforeEach(async () => {
  program = await new MockedProgram(
    {
      "pulumi-nodejs:dynamic/unikernel:Image": { digest: DIGEST, architecture: "x86_64" },
      [OBJECT]: { object: "web-1/abab.tar.gz", url: URL, size: 1, name: "web-1" },
      "gcp:compute/image:Image": { selfLink: "https://compute/image", diskSizeGb: 1 },
      "gcp:compute/instance:Instance": {
        networkInterfaces: [{ networkIp: "10.0.0.7", accessConfigs: [{ natIp: "203.0.113.7" }] }],
      },
    },
    { "gcp:compute/getMachineTypes:getMachineTypes": { machineTypes: [{ memoryMb: 1024, guestCpus: 2 }] } },
  ).begin();
});

// What a program began goes on after its test.
afterEach(() => pulumi.runtime.disconnect());

function image(): UnikernelImage {
  return new UnikernelImage("web", { source: { container: "web:1.2" } });
}

describe("an image of Compute Engine", () => {
  test("is made of an object with the disk, and says of the kernel what is true", async () => {
    const gce = new Image("web", {
      image: image(),
      bucket: "images",
      labels: { team: "shop" },
      licenses: ["https://x"],
    });
    expect(await value(gce.selfLink)).toBe("https://compute/image");

    const [object] = await program.resources(OBJECT);
    expect(object?.inputs).toMatchObject({ image: DIGEST, bucket: "images" });
    expect(object?.inputs).not.toHaveProperty("keep");
    expect(object?.inputs["__provider"]).toBe(
      'exports.handler = () => require("pulumi-unikernel/dynamic/gcp-object");',
    );
    const [made] = await program.resources("gcp:compute/image:Image");
    expect(made?.inputs).toEqual({
      description: `unikernel ${DIGEST}`,
      rawDisk: { source: URL },
      // Not VIRTIO_SCSI_MULTIQUEUE: the kernel has one queue for it.
      guestOsFeatures: [{ type: "UEFI_COMPATIBLE" }, { type: "GVNIC" }],
      labels: { team: "shop" },
      licenses: ["https://x"],
    });
  });

  test("takes the bucket itself, a family, locations, a key and a project", async () => {
    const bucket = new storage.Bucket("staging", { name: "images", location: "EU" });
    const kmsKey = "projects/p/locations/eu/keyRings/r/cryptoKeys/k";
    new Image("web", { image: image(), bucket, family: "web", storageLocations: ["eu"], kmsKey, project: "p" });
    const [object] = await program.resources(OBJECT);
    expect(object?.inputs).toMatchObject({ bucket: "images" });
    const [made] = await program.resources("gcp:compute/image:Image");
    expect(made?.inputs).toMatchObject({
      family: "web",
      storageLocations: ["eu"],
      imageEncryptionKey: { kmsKeySelfLink: kmsKey },
      project: "p",
    });
  });

  test("can be transformed, by inputs and by functions", async () => {
    new Image("web", {
      image: image(),
      bucket: "images",
      transform: {
        object: { name: "mine" },
        image: (args, opts, name) => {
          args.name = `${name}-fixed`;
          opts.protect = false;
        },
      },
    });
    const [object] = await program.resources(OBJECT);
    expect(object?.inputs).toMatchObject({ name: "mine", image: DIGEST });
    const [made] = await program.resources("gcp:compute/image:Image");
    expect(made?.inputs).toMatchObject({ name: "web-fixed", rawDisk: { source: URL } });
  });

  test("whose object is not to stay is made in a program's unit tests, too", async () => {
    new Image("web", { image: image(), bucket: "images", keepObject: false });
    const [object] = await program.resources(OBJECT);
    expect(object?.inputs).toMatchObject({ keep: false });
    await program.resources("gcp:compute/image:Image");
  });

  test("goes through the provider that it is given, and hands its credentials to the upload as a secret", async () => {
    const provider = new Provider("other", {
      project: "other",
      accessToken: "hush",
      impersonateServiceAccount: "deploy@p.iam.gserviceaccount.com",
    });
    new Image("web", { image: image(), bucket: "images" }, { provider });
    const [object] = await program.resources(OBJECT);
    expect(object?.inputs).toMatchObject({ impersonateServiceAccount: "deploy@p.iam.gserviceaccount.com" });
    // Pulumi's mark of a secret.
    const { value: context, ...mark } = object!.inputs["__context"] as { value: { credentials: object } };
    expect(Object.values(mark)).toEqual(["1b47061264138c4ac30d75fd1eb44270"]);
    expect(context.credentials).toEqual({ accessToken: "hush" });
    const [made] = await program.resources("gcp:compute/image:Image");
    expect(made?.provider).toMatch(/pulumi:providers:gcp::other::/);
  });
});

describe("a machine type", () => {
  const demands: Demands = { architecture: "x86_64" };
  const facts: MachineTypeFacts = { memoryMb: 1024, guestCpus: 2 };

  test.each<[string, Partial<Demands>, RegExp | undefined]>([
    ["e2-micro", {}, undefined],
    ["n1-standard-1", {}, undefined],
    ["n2d-standard-2", { memory: 2 ** 30, cpus: 2 }, undefined],
    ["custom-1-1024", {}, undefined],
    ["g2-standard-4", {}, undefined],
    [
      "t2a-standard-1",
      {},
      /^the series t2a has Arm processors, and the image is for x86_64\. Choose .* such as e2-small\.$/,
    ],
    ["c4a-standard-1", {}, /^the series c4a has Arm processors/],
    ["n4a-standard-1", {}, /^the series n4a has Arm processors/],
    ["c3-standard-4", {}, undefined],
    ["n4-custom-2-4096", {}, undefined],
    ["z3-highmem-88", {}, undefined],
    ["c3-standard-192-metal", {}, /^it is a bare machine, whose network card \(IDPF\)/],
    ["e2-micro", { memory: 2 ** 31 }, /^it has 1024 MiB of memory, and 2048 MiB are asked for/],
    ["e2-micro", { cpus: 4 }, /^it has 2 processors, and 4 are asked for/],
  ])("%s, for %o", (name, change, reason) => {
    const found = misfit(name, { ...demands, ...change }, facts);
    if (reason === undefined) expect(found).toBeUndefined();
    else expect(found).toMatch(reason);
  });

  test.each([
    ["e2-micro", "VIRTIO_NET"],
    ["f1-micro", "VIRTIO_NET"],
    ["custom-1-1024", "VIRTIO_NET"],
    ["n2d-standard-2", "VIRTIO_NET"],
    ["zones/europe-west3-a/machineTypes/g2-standard-4", "VIRTIO_NET"],
    ["zones/europe-west3-a/machineTypes/c3-standard-4", "GVNIC"],
    ["n4-custom-2-4096", "GVNIC"],
    ["h4d-standard-192", "GVNIC"],
    ["t2a-standard-1", "GVNIC"],
  ])("%s has a network card of the kind %s", async (machineType, kind) => {
    expect(await value(nicType(machineType))).toBe(kind);
  });

  test("is asked for where the zone is known; a custom one says itself what it has", async () => {
    const gce = new Image("web", { image: image(), bucket: "images" });
    expect(await value(gce.fitting("e2-micro", { memory: 2 ** 30 }, { zone: "europe-west3-a" }))).toBe("e2-micro");
    expect(program.called).toMatchObject([{ args: { filter: 'name = "e2-micro"', zone: "europe-west3-a" } }]);
    expect(await value(gce.fitting("e2-custom-4-8192", { memory: 2 ** 32, cpus: 4 }))).toBe("e2-custom-4-8192");
    expect(await value(gce.fitting("zones/europe-west3-a/machineTypes/e2-micro"))).toMatch(/e2-micro$/);
  });
});

describe("an instance with a target", () => {
  interface Change {
    instance?: object;
    target?: object;
  }

  function web({ instance, target: change }: Change = {}): GcpInstance {
    return new Instance("web", {
      image: image(),
      ports: [80, 443, { guest: 53, protocol: "udp" }],
      env: { GREETING: pulumi.secret("hush") },
      files: { "/etc/motd": "hello" },
      target: target({ machineType: "e2-micro", zone: "europe-west3-a", image: { bucket: "images" }, ...change }),
      ...instance,
    });
  }

  test("is an instance of Compute Engine, with a firewall rule for exactly its ports", async () => {
    const { url, address } = web();
    expect(await value(url)).toBe("http://203.0.113.7:80");
    expect(await value(address)).toBe("203.0.113.7:80");

    const [instance] = await program.resources("gcp:compute/instance:Instance");
    const tags = instance?.inputs["tags"] as string[];
    expect(tags).toEqual([expect.stringMatching(/^unikernel-web-[0-9a-f]{8}$/)]);
    expect(instance?.inputs).toEqual({
      machineType: "e2-micro",
      zone: "europe-west3-a",
      bootDisk: { initializeParams: { image: "https://compute/image" } },
      networkInterfaces: [{ network: "default", nicType: "VIRTIO_NET", accessConfigs: [{}] }],
      metadata: expect.anything() as object,
      tags,
      labels: { name: "web" },
      allowStoppingForUpdate: true,
    });
    const [rule] = await program.resources("gcp:compute/firewall:Firewall");
    expect(rule?.inputs).toEqual({
      description: "Ports of the unikernel web",
      network: "default",
      direction: "INGRESS",
      allows: [
        { protocol: "tcp", ports: ["80", "443"] },
        { protocol: "udp", ports: ["53"] },
      ],
      sourceRanges: ["0.0.0.0/0"],
      targetTags: tags,
    });
    expect(program.registered.some(({ type }) => type.endsWith("unikernel:Instance"))).toBe(false);
  });

  test("has the network card and the boot disk that its machine type has", async () => {
    const asked = async (machineType: string): Promise<object> => {
      const { instance } = web({ target: { machineType } });
      const [disk, interfaces] = await Promise.all([value(instance.bootDisk), value(instance.networkInterfaces)]);
      return { nicType: interfaces[0]?.nicType, ...disk.initializeParams };
    };
    program.outputs["gcp:compute/instance:Instance"] = {};
    const image = "https://compute/image";
    expect(await asked("n2-standard-2")).toEqual({ nicType: "VIRTIO_NET", image });
    const balanced = { image, type: "pd-balanced", size: 10 };
    for (const machineType of ["c3-standard-4", "c3d-highcpu-4", "m3-ultramem-32", "z3-highmem-88"])
      expect(await asked(machineType)).toEqual({ nicType: "GVNIC", ...balanced });
    expect(await asked("g2-standard-4")).toEqual({ nicType: "VIRTIO_NET", ...balanced });
    const hyperdisk = { nicType: "GVNIC", image, type: "hyperdisk-balanced" };
    expect(await asked("n4-standard-2")).toEqual({ ...hyperdisk, size: 4 });
    program.outputs["gcp:compute/image:Image"] = { selfLink: image, diskSizeGb: 7 };
    expect(await asked("c4d-highcpu-2")).toEqual({ ...hyperdisk, size: 7 });
  });

  test("keeps a secret in its metadata a secret", async () => {
    const { instance } = web();
    expect(await value(instance.metadata)).toEqual({
      "user-data": '{"process":{"env":["GREETING=hush"]},"files":[{"path":"/etc/motd","content":"hello"}]}',
    });
    expect(await pulumi.isSecret(instance.metadata)).toBe(true);
  });

  test("lets in whom it is told to, IPv4 and IPv6 by a rule each", async () => {
    web({ target: { allowFrom: ["10.0.0.0/8", "2001:db8::/32"], network: "own" } });
    const rules = await program.resources("gcp:compute/firewall:Firewall", 2);
    expect(rules.map(({ name, inputs }) => [name, inputs["sourceRanges"], inputs["network"]])).toEqual([
      ["web", ["10.0.0.0/8"], "own"],
      ["web-ipv6", ["2001:db8::/32"], "own"],
    ]);
  });

  test("without ports has no firewall rule, and without a public address is reached at its own", async () => {
    program.outputs["gcp:compute/instance:Instance"] = {
      networkInterfaces: [{ networkIp: "10.0.0.7", accessConfigs: [] }],
    };
    const { url, instance } = web({ instance: { ports: [] }, target: { publicAddress: false, subnetwork: "inner" } });
    expect(await value(url)).toBeUndefined();
    expect((await value(instance.networkInterfaces))[0]?.networkIp).toBe("10.0.0.7");
    const [made] = await program.resources("gcp:compute/instance:Instance");
    expect(made?.inputs["networkInterfaces"]).toEqual([{ subnetwork: "inner", nicType: "VIRTIO_NET" }]);
    await program.resources("gcp:compute/firewall:Firewall", 0);
  });

  test("shares an image that there is, and can be transformed", async () => {
    const gceImage = new Image("shared", { image: image(), bucket: "images" });
    web({
      target: {
        image: undefined,
        gceImage,
        transform: { instance: { labels: { team: "shop" } }, firewall: { priority: 7 } },
      },
    });
    const [instance] = await program.resources("gcp:compute/instance:Instance");
    expect(instance?.inputs).toMatchObject({ labels: { team: "shop" } });
    await program.resources("gcp:compute/image:Image", 1);
    const [rule] = await program.resources("gcp:compute/firewall:Firewall");
    expect(rule?.inputs).toMatchObject({ priority: 7 });
  });
});

describe("metadata", () => {
  test("has the attribute that the kernel asks for, in the shape of the OCI runtime specification", async () => {
    const made = metadata({
      env: { A: "1", B: pulumi.output("2") },
      hostname: "web",
      files: { "/a": pulumi.secret("x") },
    });
    expect(JSON.parse((await value(made))["user-data"] ?? "")).toEqual({
      process: { env: ["A=1", "B=2"] },
      hostname: "web",
      files: [{ path: "/a", content: "x" }],
    });
    expect(await pulumi.isSecret(made)).toBe(true);
  });

  test("of more than 256 KiB is refused", () => {
    const room = 256 * 1024 - '{"process":{"env":["LARGE="]}}'.length;
    expect(renderMetadata({ env: { LARGE: "x".repeat(room) } })).toHaveLength(256 * 1024);
    expect(() => renderMetadata({ env: { LARGE: "x".repeat(room + 1) } })).toThrow(
      /^The metadata value "user-data" has 262145 bytes, and Compute Engine takes 262144\. .* "LARGE"\./,
    );
  });
});
