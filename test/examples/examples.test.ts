import { createRequire } from "node:module";
import * as path from "node:path";
import ts from "typescript";
import { readFileSync } from "node:fs";
import { beforeEach, describe, expect, test } from "vitest";
import type * as pulumiModule from "@pulumi/pulumi";

const load = createRequire(import.meta.url);
const pulumi = load("@pulumi/pulumi") as typeof pulumiModule;
const examples = path.resolve(import.meta.dirname, "../../examples");

interface Registered {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
}

let registered: Registered[];

beforeEach(() => {
  registered = [];
});

const DIGEST = `sha256:${"ab".repeat(32)}`;

const OUTPUTS: Record<string, Record<string, unknown>> = {
  "pulumi-nodejs:dynamic/unikernel:Image": { digest: DIGEST, architecture: "x86_64" },
  "pulumi-nodejs:dynamic/unikernel:Instance": { url: "http://127.0.0.1:8080" },
  "pulumi-nodejs:dynamic/unikernel/aws:Snapshot": { snapshotId: "snap-1", volumeSize: 1 },
  "aws:ec2/launchTemplate:LaunchTemplate": { latestVersion: 3 },
  "aws:ec2/instance:Instance": { publicIp: "203.0.113.7" },
  "aws:lb/loadBalancer:LoadBalancer": { dnsName: "web.elb.example", arn: "arn:lb" },
  "aws:lb/targetGroup:TargetGroup": { arn: "arn:tg" },
  "pulumi-nodejs:dynamic/unikernel/gcp:DiskObject": { url: "https://storage.googleapis.com/images/web.tar.gz" },
  "gcp:compute/image:Image": { selfLink: "link:image" },
  "gcp:compute/instanceTemplate:InstanceTemplate": { selfLinkUnique: "link:template?uniqueId=1" },
  "gcp:compute/regionInstanceGroupManager:RegionInstanceGroupManager": { instanceGroup: "link:group" },
  "gcp:compute/globalForwardingRule:GlobalForwardingRule": { ipAddress: "203.0.113.9" },
  "gcp:compute/instance:Instance": {
    networkInterfaces: [{ networkIp: "10.0.0.7", accessConfigs: [{ natIp: "203.0.113.7" }] }],
  },
};

const ANSWERS: Record<string, Record<string, unknown>> = {
  "aws:index/getRegion:getRegion": { region: "eu-central-1" },
  "aws:ec2/getVpc:getVpc": { id: "vpc-1" },
  "aws:ec2/getSubnets:getSubnets": { ids: ["subnet-1", "subnet-2"] },
  "aws:ec2/getInstanceType:getInstanceType": { supportedArchitectures: ["x86_64"], hypervisor: "nitro" },
  "gcp:compute/getMachineTypes:getMachineTypes": { machineTypes: [{ memoryMb: 1024, guestCpus: 2 }] },
};

/** Runs an example's program against mocks. @returns what it exports. */
async function run(
  name: string,
  config: Record<string, string>,
): Promise<Record<string, pulumiModule.Output<unknown>>> {
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }: pulumiModule.runtime.MockResourceArgs) => {
        registered.push({ type, name, inputs: { ...(inputs as object) } });
        return { id: `${name}-id`, state: { ...(inputs as object), ...OUTPUTS[type] } };
      },
      call: ({ token }) => {
        const answer = ANSWERS[token];
        if (answer === undefined) throw new Error(`nobody said what ${token} answers`);
        return answer;
      },
    },
    name,
    "dev",
  );
  pulumi.runtime.setAllConfig(
    Object.fromEntries(Object.entries(config).map(([key, value]) => [`${name}:${key}`, value])),
  );
  const exported = execute(path.join(examples, name, "index.ts")) as Record<string, pulumiModule.Output<unknown>>;
  await pulumi.runtime.disconnect();
  return exported;
}

/** Runs a module and those beside it, compiled as Pulumi compiles them. */
function execute(file: string): unknown {
  const options = { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022, esModuleInterop: true };
  const { outputText } = ts.transpileModule(readFileSync(file, "utf8"), { compilerOptions: options });
  const module = { exports: {} };
  const require = createRequire(file);
  const requireBeside = (id: string): unknown =>
    id.startsWith("./") ? execute(path.join(path.dirname(file), `${id}.ts`)) : require(id);
  // oxlint-disable-next-line typescript/no-implied-eval, typescript/no-unsafe-call
  new Function("exports", "require", "module", outputText)(module.exports, requireBeside, module);
  return module.exports;
}

async function value(output: pulumiModule.Output<unknown> | undefined): Promise<unknown> {
  return (output as unknown as { promise(): Promise<unknown> }).promise();
}

const find = (type: string): Registered["inputs"][] =>
  registered.filter((resource) => resource.type === type).map(({ inputs }) => inputs);

test("aws-autoscaling rolls a new digest out by an instance refresh, behind a load balancer that asks for health", async () => {
  const { url, digest } = await run("aws-autoscaling", { container: "web:1.2", greeting: "hi" });

  expect(await value(url)).toBe("http://web.elb.example");
  expect(await value(digest)).toBe(DIGEST);
  const [template] = find("aws:ec2/launchTemplate:LaunchTemplate");
  expect(template).toMatchObject({ imageId: "web-id", instanceType: "t3.nano", updateDefaultVersion: true });
  expect(Buffer.from(template?.["userData"] as string, "base64").toString()).toBe(
    '{"process":{"env":["GREETING=hi"]}}',
  );
  const [group] = find("aws:autoscaling/group:Group");
  expect(group).toMatchObject({
    launchTemplate: { id: "web-id", version: "3" },
    targetGroupArns: ["arn:tg"],
    healthCheckType: "ELB",
    instanceRefresh: { strategy: "Rolling" },
  });
  const [front, guests] = find("aws:ec2/securityGroup:SecurityGroup");
  expect(front?.["ingress"]).toMatchObject([{ fromPort: 80, cidrBlocks: ["0.0.0.0/0"] }]);
  expect(guests?.["ingress"]).toEqual([
    { protocol: "tcp", fromPort: 8080, toPort: 8080, securityGroups: ["front-id"] },
  ]);
});

test("gcp-managed-group replaces instances by those of a new digest, behind a load balancer that asks for health", async () => {
  const config = { container: "web:1.2", greeting: "hi", region: "europe-west3" };
  const { url, digest } = await run("gcp-managed-group", config);

  expect(await value(url)).toBe("http://203.0.113.9");
  expect(await value(digest)).toBe(DIGEST);
  expect(find("pulumi-nodejs:dynamic/unikernel/gcp:DiskObject")).toMatchObject([{ image: DIGEST }]);
  expect(find("gcp:compute/instanceTemplate:InstanceTemplate")).toMatchObject([
    {
      machineType: "e2-micro",
      disks: [{ sourceImage: "link:image", boot: true }],
      networkInterfaces: [{ nicType: "VIRTIO_NET" }],
      metadata: { "user-data": '{"process":{"env":["GREETING=hi"]}}' },
    },
  ]);
  expect(find("gcp:compute/regionInstanceGroupManager:RegionInstanceGroupManager")).toMatchObject([
    {
      versions: [{ instanceTemplate: "link:template?uniqueId=1" }],
      autoHealingPolicies: { healthCheck: "web-id" },
      updatePolicy: { type: "PROACTIVE", minimalAction: "REPLACE", maxUnavailableFixed: 0 },
    },
  ]);
  expect(find("gcp:compute/backendService:BackendService")).toMatchObject([
    { healthChecks: "web-id", backends: [{ group: "link:group" }] },
  ]);
  const [rule] = find("gcp:compute/firewall:Firewall");
  expect(rule).toMatchObject({
    allows: [{ protocol: "tcp", ports: ["8080"] }],
    sourceRanges: ["130.211.0.0/22", "35.191.0.0/16"],
    targetTags: find("gcp:compute/instanceTemplate:InstanceTemplate")[0]?.["tags"],
  });
});

describe("multi-cloud", () => {
  test("at home is a guest of this machine, and nothing of a cloud", async () => {
    const { url } = await run("multi-cloud", { container: "web:1.2", greeting: "hi", place: "local" });
    expect(await value(url)).toBe("http://127.0.0.1:8080");
    expect(registered.map(({ type }) => type).sort()).toEqual([
      "pulumi-nodejs:dynamic/unikernel:Image",
      "pulumi-nodejs:dynamic/unikernel:Instance",
    ]);
  });

  test("on AWS is an instance of EC2 with the same image", async () => {
    const { url } = await run("multi-cloud", { container: "web:1.2", greeting: "hi", place: "aws" });
    expect(await value(url)).toBe("http://203.0.113.7:8080");
    expect(find("pulumi-nodejs:dynamic/unikernel/aws:Snapshot")).toMatchObject([{ image: DIGEST }]);
    expect(find("aws:ec2/instance:Instance")).toMatchObject([{ ami: "web-id", instanceType: "t3.nano" }]);
  });

  test("on Google Cloud is an instance of Compute Engine with the same image", async () => {
    const config = { container: "web:1.2", greeting: "hi", place: "gcp", bucket: "images" };
    const { url } = await run("multi-cloud", config);
    expect(await value(url)).toBe("http://203.0.113.7:8080");
    expect(find("pulumi-nodejs:dynamic/unikernel/gcp:DiskObject")).toMatchObject([{ image: DIGEST, bucket: "images" }]);
    expect(find("gcp:compute/instance:Instance")).toMatchObject([
      { machineType: "e2-micro", bootDisk: { initializeParams: { image: "link:image" } } },
    ]);
    expect(registered.some(({ type }) => type.startsWith("aws:"))).toBe(false);
  });
});
