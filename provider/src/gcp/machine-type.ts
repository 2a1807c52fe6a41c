import * as compute from "@pulumi/gcp/compute";
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
 * A machine type that is known to fit. Compute Engine does not say of its types which processor they have; that is known here by their series. With a zone it is asked for their memory and processors, in a preview, too.
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
      : compute.getMachineTypesOutput(
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
/** The kinds of network card that there is a driver for. */
export type NicType = "GVNIC" | "VIRTIO_NET";

/**
 * The network card to ask for with a machine type: virtio where the series has it, and gVNIC where it has no other, which is from the third
 * generation on and with Arm processors.
 *
 * @see https://cloud.google.com/compute/docs/networking/using-gvnic
 */
export function nicType(machineType: pulumi.Input<string>): pulumi.Output<NicType> {
  return pulumi.output(machineType).apply((type) => {
    const series = seriesOf(shortName(type));
    return generationOf(series) >= 3 || ARM.has(series) ? "GVNIC" : "VIRTIO_NET";
  });
}

/**
 * The boot disk to ask for with a machine type, and its least size in GiB; undefined where Compute Engine's own choice, `pd-standard`, does. The
 * third generation and G2 do not take that one, and from the fourth generation on there are Hyperdisks alone.
 *
 * @see https://cloud.google.com/compute/docs/disks/hyperdisks
 * @see https://cloud.google.com/compute/docs/disks/persistent-disks
 */
export function bootDiskOf(machineType: string): { type: string; least: number } | undefined {
  const series = seriesOf(shortName(machineType));
  const generation = generationOf(series);
  if (generation >= 4) return { type: "hyperdisk-balanced", least: 4 };
  return generation === 3 || series === "g2" ? { type: "pd-balanced", least: 10 } : undefined;
}

/** Why an image cannot run on a machine type, as the end of a sentence; undefined when it can. What is not known is no reason. */
export function misfit(name: string, demands: Demands, facts: MachineTypeFacts | undefined): string | undefined {
  const series = seriesOf(name);
  if (ARM.has(series) && demands.architecture !== "arm64") {
    return `the series ${series} has Arm processors, and the image is for ${demands.architecture}. Choose a type of a series for ${demands.architecture}, such as e2-small.`;
  }
  if (name.includes("-metal")) {
    return "it is a bare machine, whose network card (IDPF) the image has no driver for. Choose a type of a virtual machine, such as e2-small.";
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

/** 2 of `n2d`. */
function generationOf(series: string): number {
  return Number(/^[a-z]+(\d+)/.exec(series)?.[1] ?? 1);
}

/** Compute Engine lists no custom types; their names say what they have. */
function customFacts(name: string): MachineTypeFacts | undefined {
  const [, cpus, memoryMb] = /^(?:[a-z0-9]+-)?custom-(micro|small|medium|\d+)-(\d+)(?:-ext)?$/.exec(name) ?? [];
  // The shared ones have two processors, of which they get a part.
  return cpus === undefined ? undefined : { guestCpus: Number(cpus) || 2, memoryMb: Number(memoryMb) };
}
