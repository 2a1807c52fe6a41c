import * as pulumi from "@pulumi/pulumi";
import type { Inputs } from "../hosts/dynamic/resource.js";
import type { InstanceConfig, InstanceFile } from "../image/index.js";

/** What one instance changes of its image. Any part may be another resource's output, or a secret, and then the whole is one. */
export interface UserDataArgs {
  /** Environment variables, merged by name over the image's own. */
  env?: pulumi.Input<{ [name: string]: pulumi.Input<string> } | undefined>;
  /** Replaces the image's command line. */
  command?: pulumi.Input<pulumi.Input<string>[] | undefined>;
  /** The guest's host name. Default: the image's own. */
  hostname?: pulumi.Input<string | undefined>;
  /** Files to write before the application starts. */
  files?: pulumi.Input<Inputs<InstanceFile>[] | undefined>;
}

/** What EC2 takes, in bytes before it is encoded. */
const LIMIT = 16 * 1024;

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
  return pulumi.output(args).apply((values) => renderUserData(values));
}

/** The same for a launch template, which takes its user data in base64. */
export function userDataBase64(args: UserDataArgs): pulumi.Output<string> {
  return userData(args).apply((text) => Buffer.from(text).toString("base64"));
}

/** @throws {pulumi.RunError} when it is too long. */
export function renderUserData({ env, command, hostname, files }: pulumi.Unwrap<UserDataArgs>): string {
  for (const name of Object.keys(env ?? {})) {
    if (name === "" || /[=\0]/.test(name)) {
      throw new pulumi.RunError(
        `"${name}" cannot be the name of an environment variable: it is empty, or has "=" in it.`,
      );
    }
  }
  for (const { path } of files ?? []) {
    if (!path.startsWith("/")) throw new pulumi.RunError(`The file "${path}" must be an absolute path.`);
  }
  const process = {
    ...(env && { env: Object.entries(env).map(([name, value]) => `${name}=${value}`) }),
    ...(command && { args: command }),
  };
  const config: InstanceConfig = {
    ...(Object.keys(process).length > 0 && { process }),
    ...(hostname !== undefined && { hostname }),
    ...(files && { files: files }),
  };
  const text = JSON.stringify(config);
  const length = Buffer.byteLength(text);
  if (length <= LIMIT) return text;
  const [largest] = Object.entries(env ?? {}).sort(([, a], [, b]) => b.length - a.length);
  // Its name, not its value: that may be a secret.
  const hint = largest ? ` The largest of the environment is "${largest[0]}".` : "";
  throw new pulumi.RunError(
    `The user data has ${length} bytes, and EC2 takes ${LIMIT}.${hint} Put what is large into the image, or where the application can fetch it.`,
  );
}
