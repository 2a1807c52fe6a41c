import * as ec2 from "@pulumi/aws/ec2";
import * as pulumi from "@pulumi/pulumi";
import { tooSmall, type Size } from "../cloud/size.js";

/** What an image asks of the machine that it runs on. */
export interface Demands extends Size {
  /** As AWS writes it: `x86_64`. */
  architecture: string;
  bootMode: "uefi-preferred" | "uefi" | "legacy-bios";
  tpm: boolean;
}

/**
 * An instance type that is known to fit. AWS is asked, in a preview, too.
 *
 * @throws {pulumi.RunError} (by the output) when it does not fit; the message says why.
 */
export function fittingInstanceType(
  instanceType: pulumi.Input<string>,
  demands: pulumi.Input<Demands>,
  region: pulumi.Input<string> | undefined,
  resource: pulumi.Resource,
): pulumi.Output<string> {
  const args = { instanceType, ...(region !== undefined && { region }) };
  const type = ec2.getInstanceTypeOutput(args, { parent: resource });
  return pulumi.all([instanceType, type, demands]).apply(([name, facts, wanted]) => {
    const reason = misfit(facts, wanted);
    if (reason === undefined) return name;
    throw new pulumi.RunError(`The instance type "${name}" does not fit the image: ${reason}`);
  });
}

/** What of AWS's description of an instance type counts. */
export type InstanceTypeFacts = Partial<
  Pick<
    ec2.GetInstanceTypeResult,
    | "supportedArchitectures"
    | "hypervisor"
    | "bareMetal"
    | "bootModes"
    | "nitroTpmSupport"
    | "enaSupport"
    | "memorySize"
    | "defaultVcpus"
  >
>;

/** Why an image cannot run on an instance type, as the end of a sentence; undefined when it can. What AWS does not say is no reason. */
export function misfit(facts: InstanceTypeFacts, demands: Demands): string | undefined {
  const { supportedArchitectures: architectures, bootModes, hypervisor } = facts;
  if (architectures && architectures.length > 0 && !architectures.includes(demands.architecture)) {
    return `it has ${list(architectures)} processors, and the image is for ${demands.architecture}. Choose a type of a family for ${demands.architecture}, such as t3.`;
  }
  if (hypervisor === "xen" || facts.enaSupport === "unsupported") {
    return "it is of a generation before Nitro, and the image has drivers for Nitro's devices (NVMe and ENA) only. Choose a newer type, such as t3.nano.";
  }
  const needed = demands.tpm || demands.bootMode === "uefi" ? "uefi" : demands.bootMode;
  if (needed !== "uefi-preferred" && bootModes && bootModes.length > 0 && !bootModes.includes(needed)) {
    return `it boots by ${list(bootModes)} only, and the image's boot mode is ${needed}. Choose another type, or another \`bootMode\`.`;
  }
  if (demands.tpm && facts.nitroTpmSupport === "unsupported") {
    return "it has no NitroTPM, and the image asks for one. Choose another type, or leave `tpm` out.";
  }
  return tooSmall({ memoryMib: facts.memorySize, cpus: facts.defaultVcpus }, demands);
}

function list(words: string[]): string {
  return words.join(" and ");
}
