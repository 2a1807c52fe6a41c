import * as pulumi from "@pulumi/pulumi";
import { renderInstanceConfig, type InstanceConfigArgs } from "../cloud/instance-config.js";
import type { InstanceValues } from "../resources/instance-config.js";

/** What one instance changes of its image. Any part may be another resource's output, or a secret, and then the whole is one. */
export type UserDataArgs = InstanceConfigArgs;

/** What EC2 takes, in bytes before it is encoded. */
const CARRIER = { what: "The user data", taker: "EC2", limit: 16 * 1024 };

/**
 * The user data of an EC2 instance or a launch template, from which the guest takes what one instance changes of its image: the OCI
 * runtime specification's `config.json`, as far as it differs.
 *
 * ```ts
 * new aws.ec2.Instance("web", { ami: ami.id, instanceType: "t3.nano", userData: ukaws.userData({ env: { DB: db.endpoint } }) });
 * ```
 *
 * Fails, in a preview, too, when there is more of it than the 16 KiB that EC2 takes.
 */
export function userData(args: UserDataArgs): pulumi.Output<string> {
  return pulumi.output(args).apply(renderUserData);
}

/** @throws {pulumi.RunError} when something in it is not possible, or it is too long. */
export function renderUserData(values: InstanceValues): string {
  return renderInstanceConfig(values, CARRIER);
}

/** The same for a launch template, which takes its user data in base64. */
export function userDataBase64(args: UserDataArgs): pulumi.Output<string> {
  return userData(args).apply((text) => Buffer.from(text).toString("base64"));
}
