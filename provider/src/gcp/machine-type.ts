import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { tooSmall, type Size } from "../cloud/size.js";

/** What an image asks of the machine that it runs on. */
export interface Demands extends Size {
  /** `x86_64`. */
  architecture: string;
}

/** Where a machine type is to be had. */
export interface Place {
  project?: pulumi.Input<string> | undefined;
  zone?: pulumi.Input<string> | undefined;
}

/**
 * A machine type that is known to fit. Compute Engine does not say of its types which processor and which network card they have; that is
 * known here by their series. With a zone it is asked for their memory and processors, in a preview, too.
 *
 * @throws {pulumi.RunError} (by the output) when it does not fit; the message says why.
 */
export function fittingMachineType(
  machineType: pulumi.Input<string>,
  demands: pulumi.Input<Demands>,
  { project, zone }: Place | undefined = {},
  resource: pulumi.Resource,
): pulumi.Output<string> {
  const facts =
    zone === undefined
      ? undefined
      : gcp.compute.getMachineTypesOutput(
          {
            filter: pulumi.output(machineType).apply((type) => `name = "${shortName(type)}"`),
            zone,
            ...(project !== undefined && { project }),
          },
          { parent: resource },
        );
  return pulumi.all([machineType, demands, facts, zone]).apply(([type, wanted, found, zone]) => {
    const name = shortName(type);
    const known = customFacts(name) ?? found?.machineTypes[0];
    const reason =
      misfit(name, wanted, known) ??
      (found !== undefined && known === undefined ? `there is none of that name in ${zone}.` : undefined);
    if (reason === undefined) return type;
    throw new pulumi.RunError(`The machine type "${name}" does not fit the image: ${reason}`);
  });
}

/** What of Compute Engine's description of a machine type counts. */
export interface MachineTypeFacts {
  memoryMb: number;
  guestCpus: number;
}

/** Series whose processors are Arm's: Ampere's Altra, Google's Axion, NVIDIA's Grace. */
const ARM = new Set(["t2a", "c4a", "n4a", "a4x"]);
/**
 * Series that have no other network card than gVNIC.
 *
 * @see https://cloud.google.com/compute/docs/machine-resource
 */
const ONLY_GVNIC = new Set([
  "c3",
  "c3d",
  "c4",
  "c4d",
  "n4",
  "n4d",
  "h3",
  "h4d",
  "m3",
  "m4",
  "x4",
  "z3",
  "a3",
  "a4",
  "g4",
]);

/** Why an image cannot run on a machine type, as the end of a sentence; undefined when it can. What is not known is no reason. */
export function misfit(name: string, demands: Demands, facts: MachineTypeFacts | undefined): string | undefined {
  const series = seriesOf(name);
  if (ARM.has(series) && demands.architecture !== "arm64") {
    return `the series ${series} has Arm processors, and the image is for ${demands.architecture}. Choose a type of a series for ${demands.architecture}, such as e2-small.`;
  }
  if (name.includes("-metal")) {
    return "it is a bare machine, whose network card (IDPF) the image has no driver for. Choose a type of a virtual machine, such as e2-small.";
  }
  if (ONLY_GVNIC.has(series)) {
    return `the series ${series} has gVNIC as its only network card, which the image has no driver for; it has one for virtio. Choose a type of the first or second generation, such as e2-small or n2d-standard-2.`;
  }
  if (facts === undefined) return undefined;
  return tooSmall({ memoryMib: facts.memoryMb, cpus: facts.guestCpus }, demands);
}

/** The name that a URL of a machine type ends with. */
function shortName(machineType: string): string {
  return machineType.split("/").at(-1) ?? machineType;
}

/** `n2` of `n2-standard-2` and of `n2-custom-2-4096`; custom types without a series are of the first. */
function seriesOf(name: string): string {
  const [series = ""] = name.toLowerCase().split("-");
  return series === "custom" ? "n1" : series;
}

/** Compute Engine lists no custom types; their names say what they have. */
function customFacts(name: string): MachineTypeFacts | undefined {
  const [, cpus, memoryMb] = /^(?:[a-z0-9]+-)?custom-(micro|small|medium|\d+)-(\d+)(?:-ext)?$/.exec(name) ?? [];
  // The shared ones have two processors, of which they get a part.
  return cpus === undefined ? undefined : { guestCpus: Number(cpus) || 2, memoryMb: Number(memoryMb) };
}
