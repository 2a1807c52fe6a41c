import * as pulumi from "@pulumi/pulumi";
import type { TargetInstanceArgs } from "../hosts/target.js";
import { parseSize } from "../resources/units.js";

/** The least that an instance's machine must have. */
export interface Size {
  /** Bytes. */
  memory?: number | undefined;
  cpus?: number | undefined;
}

/** What an instance asks for. */
export function askedSize({ memory, cpus }: Pick<TargetInstanceArgs, "memory" | "cpus">): pulumi.Output<Size> {
  return pulumi.all([memory, cpus]).apply(([memory, cpus]) => ({
    ...(memory !== undefined && { memory: parseSize(memory) }),
    ...(cpus !== undefined && { cpus }),
  }));
}

/**
 * Why a machine is too small, as the end of a sentence; undefined when it is not. What is not known is no reason.
 *
 * @param has - Its memory in MiB, and how many processors.
 */
export function tooSmall(
  has: { memoryMib: number | undefined; cpus: number | undefined },
  asked: Size,
): string | undefined {
  const MIB = 2 ** 20;
  if (asked.memory !== undefined && has.memoryMib !== undefined && has.memoryMib * MIB < asked.memory) {
    return `it has ${has.memoryMib} MiB of memory, and ${Math.ceil(asked.memory / MIB)} MiB are asked for.`;
  }
  if (asked.cpus !== undefined && has.cpus !== undefined && has.cpus < asked.cpus) {
    return `it has ${has.cpus} processors, and ${asked.cpus} are asked for.`;
  }
  return undefined;
}
