import { createHash } from "node:crypto";
import * as compute from "@pulumi/gcp/compute";
import * as config from "@pulumi/gcp/config";
import * as pulumi from "@pulumi/pulumi";
import { given } from "../cloud/given.js";
import { openPorts, reachedAt, type OpenPort } from "../cloud/ports.js";
import { askedSize } from "../cloud/size.js";
import { transformed, type Transform } from "../cloud/transform.js";
import type { Instance as AnyInstance, Target, TargetInstanceArgs } from "../hosts/target.js";
import { Image, type ImageArgs } from "./image.js";
import { bootDiskOf, nicType } from "./machine-type.js";
import { metadata } from "./metadata.js";

/** What kind of instance, and where. */
export type TargetArgs = {
  /** Such as `e2-micro`. Its series must have processors that the image is for. */
  machineType: pulumi.Input<string>;
  /** Such as `europe-west3-a`. Default: the provider's. */
  zone?: pulumi.Input<string>;
  /** Project of Google Cloud. Default: the provider's. */
  project?: pulumi.Input<string>;
  /** The network to put it into. Default: the one called `default`. */
  network?: pulumi.Input<string>;
  /** The network's part to put it into. Default: the network's own in that region. */
  subnetwork?: pulumi.Input<string>;
  /** Whether it has a public address. Default: `true`. */
  publicAddress?: boolean;
  /** Who reaches the ports, as blocks of addresses (`10.0.0.0/8`, `2001:db8::/32`). Default: everybody with an IPv4 address. */
  allowFrom?: string[];
  /** Changes what the underlying resources are made with. */
  transform?: {
    instance?: Transform<compute.InstanceArgs>;
    firewall?: Transform<compute.FirewallArgs>;
  };
} & (
  | {
      /** How to make the instance's own image of Compute Engine. */
      image: Omit<ImageArgs, "image">;
      gceImage?: undefined;
    }
  | {
      /** An image of Compute Engine that there is already. */
      gceImage: Image;
      image?: undefined;
    }
);

/**
 * Lets `unikernel.Instance` run on Compute Engine: an instance, a firewall rule that lets in exactly the ports named, and the image, all the
 * stack's own.
 *
 * ```ts
 * const web = new unikernel.Instance("web", {
 *   image,
 *   ports: [80],
 *   target: ukgcp.target({ machineType: "e2-micro", zone: "europe-west3-a", image: { bucket } }),
 * });
 * ```
 *
 * `memory` and `cpus` are the least that the machine type must have. A port of the host that differs from the guest's is refused: there is
 * nothing in between that could map it. The instance has no service account.
 */
export function target(args: TargetArgs): Target<Instance> {
  return { createInstance: (name, instance, opts) => new Instance(name, { ...args, instance }, opts) };
}

type InstanceArgs = TargetArgs & { instance: TargetInstanceArgs };

const EVERYBODY = ["0.0.0.0/0"];

/** An instance of Compute Engine that runs an image, with its firewall rules. */
export class Instance extends pulumi.ComponentResource implements AnyInstance {
  readonly address: pulumi.Output<string | undefined>;
  readonly url: pulumi.Output<string | undefined>;
  readonly gceImage: Image;
  readonly instance: compute.Instance;
  /** One for IPv4 and one for IPv6, as far as addresses of each are let in; none without ports. */
  readonly firewalls: compute.Firewall[];

  constructor(name: string, args: InstanceArgs, opts?: pulumi.ComponentResourceOptions) {
    super("unikernel:gcp:Instance", name, {}, opts);
    const { transform = {}, subnetwork, publicAddress = true } = args;
    const { image, env, command, hostname, files } = args.instance;
    const parent = { parent: this };
    const place = { ...given("project", args.project), zone: args.zone ?? config.zone };
    const network = args.network ?? "default";
    this.gceImage = args.gceImage ?? new Image(name, { ...args.image, image }, parent);
    const ports = pulumi.output(args.instance.ports).apply((ports) => openPorts(ports ?? [], "Google Cloud"));
    const tag = tagOf(name);
    this.firewalls = this.#openFirewall(name, args, { network, tag, ports });

    const machineType = this.gceImage.fitting(args.machineType, askedSize(args.instance), place);
    const disk = machineType.apply(bootDiskOf);
    const imageSize = this.gceImage.image.diskSizeGb;
    const size = disk.apply((disk): pulumi.Output<number | undefined> =>
      disk === undefined ? pulumi.output(undefined) : imageSize.apply((size) => Math.max(size, disk.least)),
    );
    this.instance = new compute.Instance(
      ...transformed<compute.InstanceArgs>(
        transform.instance,
        name,
        {
          machineType,
          bootDisk: {
            initializeParams: {
              image: this.gceImage.selfLink,
              type: disk.apply((disk) => disk?.type),
              size,
            },
          },
          networkInterfaces: [
            {
              ...(subnetwork === undefined ? { network } : { subnetwork }),
              nicType: nicType(machineType),
              ...(publicAddress && { accessConfigs: [{}] }),
            },
          ],
          metadata: metadata({ env, command, hostname, files }),
          tags: [tag],
          labels: pulumi.output(args.instance.name).apply((given) => ({ name: labelOf(given ?? name) })),
          allowStoppingForUpdate: true,
          ...given("zone", place.zone),
          ...given("project", args.project),
        },
        // It takes effect at boot only.
        { ...parent, replaceOnChanges: ["metadata"] },
      ),
    );
    const ip = this.instance.networkInterfaces.apply(
      ([first]) => first?.accessConfigs?.[0]?.natIp || first?.networkIp || undefined,
    );
    ({ address: this.address, url: this.url } = reachedAt(ip, ports));
    this.registerOutputs({ address: this.address, url: this.url });
  }

  #openFirewall(
    name: string,
    { instance, allowFrom = EVERYBODY, project, transform = {} }: InstanceArgs,
    { network, tag, ports }: { network: pulumi.Input<string>; tag: string; ports: pulumi.Output<OpenPort[]> },
  ): compute.Firewall[] {
    const isNone = instance.ports === undefined || (Array.isArray(instance.ports) && instance.ports.length === 0);
    // A rule has blocks of one kind only.
    const isV6 = (block: string): boolean => block.includes(":");
    const rules: [suffix: string, blocks: string[]][] = [
      ["", allowFrom.filter((block) => !isV6(block))],
      ["-ipv6", allowFrom.filter(isV6)],
    ];
    return rules
      .filter(([, blocks]) => !isNone && blocks.length > 0)
      .map(
        ([suffix, sourceRanges]) =>
          new compute.Firewall(
            ...transformed<compute.FirewallArgs>(
              transform.firewall,
              `${name}${suffix}`,
              {
                description: `Ports of the unikernel ${name}`,
                network,
                direction: "INGRESS",
                allows: ports.apply(allowed),
                sourceRanges,
                targetTags: [tag],
                ...given("project", project),
              },
              { parent: this },
            ),
          ),
      );
  }
}

function allowed(ports: OpenPort[]): { protocol: string; ports: string[] }[] {
  const protocols = [...new Set(ports.map(({ protocol }) => protocol))];
  return protocols.map((protocol) => ({
    protocol,
    ports: ports.filter((port) => port.protocol === protocol).map(({ guest }) => String(guest)),
  }));
}

/** The network tag by which the rules find the instance. Others in the network may have instances of the same name. */
function tagOf(name: string): string {
  const scope = [pulumi.getProject(), pulumi.getStack(), name];
  const suffix = createHash("sha256").update(JSON.stringify(scope)).digest("hex").slice(0, 8);
  return `unikernel-${labelOf(name).replaceAll("_", "-").slice(0, 40)}-${suffix}`;
}

/** A name as a value of a label can have it. */
function labelOf(name: string): string {
  return name
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]+/g, "-")
    .slice(0, 63);
}
