import * as ec2 from "@pulumi/aws/ec2";
import * as pulumi from "@pulumi/pulumi";
import { openPorts, reachedAt } from "../cloud/ports.js";
import { askedSize } from "../cloud/size.js";
import { transformed, type Transform } from "../cloud/transform.js";
import type { Instance as AnyInstance, Target, TargetInstanceArgs } from "../hosts/target.js";
import { Ami, type AmiArgs } from "./ami.js";
import { userData } from "./user-data.js";

/** What kind of instance, and where. */
export interface TargetArgs {
  /** Such as `t3.nano`. It must be of the Nitro generation. */
  instanceType: pulumi.Input<string>;
  /** The subnet to put it into. Default: one of the default VPC. */
  subnetId?: pulumi.Input<string>;
  /** Whether it has a public address. Default: as the subnet has it. */
  associatePublicIpAddress?: pulumi.Input<boolean>;
  /** Who reaches the ports, as blocks of addresses (`10.0.0.0/8`, `2001:db8::/32`). Default: everybody. */
  allowFrom?: string[];
  /** An AMI of the image that there is already. Default: the instance has one of its own. */
  ami?: Ami;
  /** How to make the instance's own AMI. */
  image?: Omit<AmiArgs, "image">;
  /** Changes what the underlying resources are made with. */
  transform?: {
    instance?: Transform<ec2.InstanceArgs>;
    securityGroup?: Transform<ec2.SecurityGroupArgs>;
  };
}

/**
 * Lets `unikernel.Instance` run on EC2: an instance, a security group that lets in exactly the ports named, and the AMI, all the stack's own.
 *
 * ```ts
 * const web = new unikernel.Instance("web", { image, ports: [80], target: ukaws.target({ instanceType: "t3.nano" }) });
 * ```
 *
 * `memory` and `cpus` are the least that the instance type must have. A port of the host that differs from the guest's is refused: there is
 * nothing in between that could map it.
 */
export function target(args: TargetArgs): Target<Instance> {
  return { createInstance: (name, instance, opts) => new Instance(name, { ...args, instance }, opts) };
}

interface InstanceArgs extends TargetArgs {
  instance: TargetInstanceArgs;
}

const EVERYBODY = ["0.0.0.0/0", "::/0"];

/** An instance of EC2 that runs an image, with its security group. */
export class Instance extends pulumi.ComponentResource implements AnyInstance {
  readonly address: pulumi.Output<string | undefined>;
  readonly url: pulumi.Output<string | undefined>;
  readonly ami: Ami;
  readonly securityGroup: ec2.SecurityGroup;
  readonly instance: ec2.Instance;

  constructor(name: string, args: InstanceArgs, opts?: pulumi.ComponentResourceOptions) {
    super("unikernel:aws:Instance", name, {}, opts);
    const { transform = {}, allowFrom = EVERYBODY } = args;
    const { image, env, command, hostname, files } = args.instance;
    const parent = { parent: this };
    this.ami = args.ami ?? new Ami(name, { ...args.image, image }, parent);
    const { region } = this.ami;
    const ports = pulumi.output(args.instance.ports).apply((ports) => openPorts(ports ?? [], "AWS"));
    const tags = { Name: pulumi.output(args.instance.name).apply((given) => given ?? name) };

    const subnet = args.subnetId;
    const vpcId = subnet === undefined ? undefined : ec2.getSubnetOutput({ id: subnet, region }, parent).vpcId;
    this.securityGroup = new ec2.SecurityGroup(
      ...transformed<ec2.SecurityGroupArgs>(
        transform.securityGroup,
        name,
        {
          description: `Ports of the unikernel ${name}`,
          ...(vpcId !== undefined && { vpcId }),
          ingress: ports.apply((ports) =>
            ports.map(({ guest, protocol }) => ({ protocol, fromPort: guest, toPort: guest, ...blocks(allowFrom) })),
          ),
          egress: [{ protocol: "-1", fromPort: 0, toPort: 0, ...blocks(EVERYBODY) }],
          region,
          tags,
        },
        parent,
      ),
    );
    this.instance = new ec2.Instance(
      ...transformed<ec2.InstanceArgs>(
        transform.instance,
        name,
        {
          ami: this.ami.id,
          instanceType: this.ami.fitting(args.instanceType, askedSize(args.instance)),
          vpcSecurityGroupIds: [this.securityGroup.id],
          ...(subnet !== undefined && { subnetId: subnet }),
          ...(args.associatePublicIpAddress !== undefined && {
            associatePublicIpAddress: args.associatePublicIpAddress,
          }),
          userData: userData({ env, command, hostname, files }),
          // It takes effect at boot only.
          userDataReplaceOnChange: true,
          metadataOptions: { httpEndpoint: "enabled", httpTokens: "required", httpPutResponseHopLimit: 1 },
          region,
          tags,
        },
        parent,
      ),
    );
    const ip = pulumi
      .all([this.instance.publicIp, this.instance.privateIp])
      .apply(([publicIp, privateIp]) => publicIp || privateIp);
    ({ address: this.address, url: this.url } = reachedAt(ip, ports));
    this.registerOutputs({ address: this.address, url: this.url });
  }
}

/** Blocks of addresses as a rule of a security group takes them. */
function blocks(cidrs: string[]): { cidrBlocks: string[]; ipv6CidrBlocks: string[] } {
  const isV6 = (cidr: string): boolean => cidr.includes(":");
  return { cidrBlocks: cidrs.filter((cidr) => !isV6(cidr)), ipv6CidrBlocks: cidrs.filter(isV6) };
}
