import * as pulumi from "@pulumi/pulumi";
import { renderInstanceConfig, type InstanceConfigArgs } from "../cloud/instance-config.js";
import type { InstanceValues } from "../resources/instance-config.js";

/** What one instance changes of its image. Any part may be another resource's output, or a secret, and then the whole is one. */
export type MetadataArgs = InstanceConfigArgs;

/** The attribute that the kernel asks Google's metadata server for. */
export const ATTRIBUTE = "user-data";

/** What Compute Engine takes as one value. */
const CARRIER = { what: `The metadata value "${ATTRIBUTE}"`, taker: "Compute Engine", limit: 256 * 1024 };

/**
 * The metadata of an instance of Compute Engine or an instance template, from which the guest takes what one instance changes of its image: the OCI
 * runtime specification's `config.json`, as far as it differs.
 *
 * ```ts
 * new gcp.compute.Instance("web", { …, metadata: ukgcp.metadata({ env: { DB: db.privateIpAddress } }) });
 * ```
 *
 * Fails, in a preview, too, when there is more of it than the 256 KiB that Compute Engine takes.
 */
export function metadata(args: MetadataArgs): pulumi.Output<{ [attribute: string]: string }> {
  return pulumi
    .output(args)
    .apply((values): { [attribute: string]: string } => ({ [ATTRIBUTE]: renderMetadata(values) }));
}

/** @throws {pulumi.RunError} when something in it is not possible, or it is too long. */
export function renderMetadata(values: InstanceValues): string {
  return renderInstanceConfig(values, CARRIER);
}
