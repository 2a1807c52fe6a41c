import { randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import type * as grpcModule from "@grpc/grpc-js";
import type * as serviceModule from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import type * as messageModule from "@pulumi/pulumi/proto/provider_pb.js";
import type * as pluginModule from "@pulumi/pulumi/proto/plugin_pb.js";
import type * as structModule from "google-protobuf/google/protobuf/struct_pb.js";
import type * as emptyModule from "google-protobuf/google/protobuf/empty_pb.js";
import type { EbsService } from "../../../provider/src/targets/aws/testing/ebs-service.js";

const load = createRequire(import.meta.url);
const grpc = load("@grpc/grpc-js") as typeof grpcModule;
const { ResourceProviderService } = load("@pulumi/pulumi/proto/provider_grpc_pb") as typeof serviceModule;
const messages = load("@pulumi/pulumi/proto/provider_pb") as typeof messageModule;
const { PluginInfo } = load("@pulumi/pulumi/proto/plugin_pb") as typeof pluginModule;
const { Struct } = load("google-protobuf/google/protobuf/struct_pb") as typeof structModule;
const { Empty } = load("google-protobuf/google/protobuf/empty_pb") as typeof emptyModule;

type Properties = Record<string, unknown>;
const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** What the stand-in knows of a kind of resource: any other input is refused. */
interface Kind {
  required: string[];
  optional: string[];
  /** Inputs whose change needs a replacement. */
  forceNew: string[];
  /** Whether it gets a name with a random end when it has none. */
  autoNamed?: boolean;
  /** Refuses what AWS would refuse, and says what else the resource has once it is there. */
  create(inputs: Properties, cloud: AwsPlugin, id: string): Properties;
  delete?(id: string, properties: Properties, cloud: AwsPlugin): void;
}

const AMI_ID = /^ami-[0-9a-f]{17}$/;

const KINDS: Record<string, Kind> = {
  "aws:ec2/ami:Ami": {
    required: ["architecture", "rootDeviceName", "virtualizationType", "ebsBlockDevices", "name"],
    optional: [
      "description",
      "enaSupport",
      "bootMode",
      "imdsSupport",
      "tpmSupport",
      "deprecationTime",
      "region",
      "tags",
    ],
    forceNew: [
      "architecture",
      "rootDeviceName",
      "ebsBlockDevices",
      "name",
      "bootMode",
      "imdsSupport",
      "tpmSupport",
      "enaSupport",
    ],
    autoNamed: true,
    create(inputs, cloud, id) {
      const { rootDeviceName, ebsBlockDevices, name, bootMode, tpmSupport } = inputs;
      const devices = ebsBlockDevices as { deviceName: string; snapshotId: string; volumeSize: number }[];
      const root = devices.find(({ deviceName }) => deviceName === rootDeviceName);
      const snapshot = cloud.ebs.snapshots.get(root?.snapshotId ?? "");
      if (!snapshot) throw new Error(`InvalidSnapshot.NotFound: The snapshot '${root?.snapshotId}' does not exist.`);
      if (snapshot.status !== "completed") throw new Error(`InvalidSnapshot: ${snapshot.id} is ${snapshot.status}`);
      if ((root?.volumeSize ?? 0) < snapshot.volumeSize)
        throw new Error("InvalidBlockDeviceMapping: smaller than the snapshot");
      if (tpmSupport !== undefined && bootMode !== "uefi")
        throw new Error("InvalidParameterCombination: tpmSupport takes bootMode uefi");
      if (cloud.all("aws:ec2/ami:Ami").some((ami) => ami["name"] === name))
        throw new Error(`InvalidAMIName.Duplicate: ${String(name)}`);
      snapshot.usedBy = id;
      return { arn: `arn:aws:ec2:eu-central-1::image/${id}`, rootSnapshotId: snapshot.id };
    },
    delete(id, _properties, cloud) {
      for (const snapshot of cloud.ebs.snapshots.values()) if (snapshot.usedBy === id) delete snapshot.usedBy;
    },
  },
  "aws:ec2/securityGroup:SecurityGroup": {
    required: ["ingress", "egress"],
    optional: ["description", "vpcId", "name", "revokeRulesOnDelete", "region", "tags"],
    forceNew: ["description", "vpcId", "name"],
    autoNamed: true,
    create: () => ({}),
  },
  "aws:ec2/instance:Instance": {
    required: ["ami", "instanceType"],
    optional: [
      ...["vpcSecurityGroupIds", "subnetId", "associatePublicIpAddress", "userData", "userDataReplaceOnChange"],
      ...["metadataOptions", "region", "tags", "getPasswordData", "sourceDestCheck"],
    ],
    forceNew: ["ami", "subnetId", "userData"],
    create(inputs, cloud) {
      if (!AMI_ID.test(inputs["ami"] as string)) throw new Error(`InvalidAMIID.Malformed: ${String(inputs["ami"])}`);
      if (!cloud.resources.has(inputs["ami"] as string))
        throw new Error(`InvalidAMIID.NotFound: ${String(inputs["ami"])}`);
      for (const id of inputs["vpcSecurityGroupIds"] as string[]) {
        if (!cloud.resources.has(id)) throw new Error(`InvalidGroup.NotFound: ${id}`);
      }
      return { publicIp: "203.0.113.7", privateIp: "10.0.0.7" };
    },
  },
};

const PREFIXES: Record<string, string> = { Ami: "ami", SecurityGroup: "sg", Instance: "i" };

/**
 * A strict stand-in for the plugin of `@pulumi/aws`, in this process: it knows the few resources that this package makes, refuses inputs that they do not
 * have and what AWS would refuse, and records what it is asked. The engine finds it by its port.
 */
export class AwsPlugin {
  /** What there is, by id. */
  readonly resources = new Map<string, { type: string; properties: Properties }>();
  /** What was asked, in order: `create aws:ec2/ami:Ami`. */
  readonly asked: string[] = [];
  instanceType: Properties = {
    supportedArchitectures: ["x86_64"],
    hypervisor: "nitro",
    bootModes: ["uefi", "legacy-bios"],
  };
  readonly #server = new grpc.Server();
  port = 0;

  constructor(readonly ebs: EbsService) {}

  async start(): Promise<this> {
    this.#server.addService(ResourceProviderService, this.#handlers());
    this.port = await new Promise<number>((resolve, reject) => {
      const done = (error: Error | null, port: number): void => (error ? reject(error) : resolve(port));
      this.#server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), done);
    });
    return this;
  }

  stop(): void {
    this.#server.forceShutdown();
  }

  /** The properties of all resources of a type. */
  all(type: string): Properties[] {
    return [...this.resources.values()]
      .filter((resource) => resource.type === type)
      .map(({ properties }) => properties);
  }

  #handlers(): grpcModule.UntypedServiceImplementation {
    // Generated by protoc: their accessors are not worth spelling out here.
    /* eslint-disable @typescript-eslint/no-explicit-any */
    type Call = { request: any };
    type Callback = (error: object | null, answer?: object) => void;
    const handle =
      (work: (request: any) => object) =>
      ({ request }: Call, callback: Callback): void => {
        try {
          callback(null, work(request));
        } catch (error) {
          callback({ code: grpc.status.UNKNOWN, details: (error as Error).message });
        }
      };
    /* eslint-disable @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-argument */
    const properties = (struct: any): Properties => (struct?.toJavaScript() ?? {}) as Properties;
    const typeOf = (request: any): string => (request.getUrn() as string).split("::")[2]?.split("$").at(-1) ?? "";
    const struct = (value: Properties): structModule.Struct => Struct.fromJavaScript(value as never);
    return {
      attach: handle(() => new Empty()),
      cancel: handle(() => new Empty()),
      getPluginInfo: handle(() => {
        const info = new PluginInfo();
        info.setVersion("7.48.0");
        return info;
      }),
      checkConfig: handle((request) => {
        const answer = new messages.CheckResponse();
        answer.setInputs(request.getNews());
        return answer;
      }),
      diffConfig: handle(() => new messages.DiffResponse()),
      configure: handle(() => new messages.ConfigureResponse()),
      invoke: handle((request) => {
        const answer = new messages.InvokeResponse();
        answer.setReturn(struct(this.#invoke(request.getTok() as string)));
        return answer;
      }),
      check: handle((request) => {
        const [type, news, olds] = [typeOf(request), properties(request.getNews()), properties(request.getOlds())];
        const answer = new messages.CheckResponse();
        const kind = kindOf(type);
        if (kind.autoNamed && news["name"] === undefined) {
          news["name"] =
            olds["name"] ?? `${(request.getUrn() as string).split("::").at(-1)}-${randomBytes(4).toString("hex")}`;
        }
        answer.setInputs(struct(news));
        answer.setFailuresList(
          inputFailures(kind, news).map(([property, reason]) => {
            const failure = new messages.CheckFailure();
            failure.setProperty(property);
            failure.setReason(reason);
            return failure;
          }),
        );
        return answer;
      }),
      diff: handle((request) => {
        const [olds, news] = [properties(request.getOldInputs()), properties(request.getNews())];
        const { forceNew } = kindOf(typeOf(request));
        const keys = [...new Set([...Object.keys(olds), ...Object.keys(news)])];
        const changed = keys.filter(
          (key) => JSON.stringify(olds[key]) !== JSON.stringify(news[key]) || hasUnknown(news[key]),
        );
        const answer = new messages.DiffResponse();
        const { DIFF_SOME, DIFF_NONE } = messages.DiffResponse.DiffChanges;
        answer.setChanges(changed.length > 0 ? DIFF_SOME : DIFF_NONE);
        answer.setReplacesList(changed.filter((key) => forceNew.includes(key)));
        return answer;
      }),
      create: handle((request) => {
        const [type, inputs] = [typeOf(request), properties(request.getProperties())];
        this.asked.push(`create ${type}`);
        if (hasUnknown(inputs)) throw new Error(`${type} is to be created with unknown inputs`);
        const prefix = PREFIXES[type.split(":").at(-1) ?? ""] ?? "x";
        const id = `${prefix}-${randomBytes(9).toString("hex").slice(0, 17)}`;
        const state = { ...inputs, ...kindOf(type).create(inputs, this, id) };
        this.resources.set(id, { type, properties: state });
        const answer = new messages.CreateResponse();
        answer.setId(id);
        answer.setProperties(struct(state));
        return answer;
      }),
      read: handle((request) => {
        const answer = new messages.ReadResponse();
        const found = this.resources.get(request.getId() as string);
        if (!found) return answer;
        answer.setId(request.getId());
        answer.setProperties(struct(found.properties));
        answer.setInputs(request.getInputs());
        return answer;
      }),
      update: handle((request) => {
        const [type, id, news] = [typeOf(request), request.getId() as string, properties(request.getNews())];
        this.asked.push(`update ${type}`);
        const state = { ...this.resources.get(id)?.properties, ...news };
        this.resources.set(id, { type, properties: state });
        const answer = new messages.UpdateResponse();
        answer.setProperties(struct(state));
        return answer;
      }),
      delete: handle((request) => {
        const [type, id] = [typeOf(request), request.getId() as string];
        this.asked.push(`delete ${type}`);
        kindOf(type).delete?.(id, properties(request.getProperties()), this);
        this.resources.delete(id);
        return new Empty();
      }),
    };
    /* eslint-enable */
  }

  #invoke(token: string): Properties {
    switch (token) {
      case "aws:index/getRegion:getRegion":
        return { region: "eu-central-1", name: "eu-central-1", id: "eu-central-1" };
      case "aws:ec2/getInstanceType:getInstanceType":
        return this.instanceType;
      default:
        throw new Error(`the stand-in for AWS does not know ${token}`);
    }
  }
}

function kindOf(type: string): Kind {
  const kind = KINDS[type];
  if (kind === undefined) throw new Error(`the stand-in for AWS does not know ${type}`);
  return kind;
}

function inputFailures({ required, optional }: Kind, inputs: Properties): [property: string, reason: string][] {
  const known = ["__defaults", ...required, ...optional];
  return [
    ...required.filter((key) => inputs[key] === undefined).map((key): [string, string] => [key, "is missing"]),
    ...Object.keys(inputs)
      .filter((key) => !known.includes(key))
      .map((key): [string, string] => [key, "there is no such input"]),
  ];
}

function hasUnknown(value: unknown): boolean {
  if (value === UNKNOWN) return true;
  return typeof value === "object" && value !== null && Object.values(value).some(hasUnknown);
}
