import * as pulumi from "@pulumi/pulumi";
import type { Inputs } from "../hosts/dynamic/resource.js";
import { checkEnv, checkFiles } from "../resources/instance-checks.js";
import { instanceConfig, type InstanceValues } from "../resources/instance-config.js";
import type { InstanceFileContent } from "../resources/instance-properties.js";

/** What one instance changes of its image. Any part may be another resource's output, or a secret, and then the whole is one. */
export interface InstanceConfigArgs {
  /** Environment variables, merged by name over the image's own. */
  env?: pulumi.Input<{ [name: string]: pulumi.Input<string> } | undefined>;
  /** Replaces the image's command line. */
  command?: pulumi.Input<pulumi.Input<string>[] | undefined>;
  /** The guest's host name. Default: the image's own. */
  hostname?: pulumi.Input<string | undefined>;
  /** Files to write before the application starts, by absolute path; a plain text is short for a file with it as content. */
  files?: pulumi.Input<{ [path: string]: pulumi.Input<Inputs<InstanceFileContent> | string> } | undefined>;
}

/** What of a cloud carries the configuration to the guest. */
export interface Carrier {
  /** What it is called there, at the beginning of a sentence: `The user data`. */
  what: string;
  /** Whose limit it is: `EC2`. */
  taker: string;
  /** The most bytes. */
  limit: number;
}

/**
 * What the guest takes from its cloud's metadata service: the OCI runtime specification's `config.json`, as far as one instance differs.
 *
 * @throws {pulumi.RunError} when something in it is not possible, or it is too long.
 */
export function renderInstanceConfig(values: InstanceValues, carrier: Carrier): string {
  const [failure] = [...checkEnv(values.env), ...checkFiles(values.files)];
  if (failure !== undefined) throw new pulumi.RunError(failure.reason);
  const text = JSON.stringify(instanceConfig(values));
  const length = Buffer.byteLength(text);
  if (length <= carrier.limit) return text;
  throw new pulumi.RunError(
    `${carrier.what} has ${length} bytes, and ${carrier.taker} takes ${carrier.limit}.${largestOf(values)} Put what is large into the image, or where the application can fetch it.`,
  );
}

/** Names what takes most, without its value: that may be a secret. */
function largestOf({ env = {}, files = {} }: InstanceValues): string {
  const sizes: [string, number][] = [
    ...Object.entries(env).map(([name, value]): [string, number] => [`variable "${name}"`, value.length]),
    ...Object.entries(files).map(([path, file]): [string, number] => [
      `file "${path}"`,
      (typeof file === "string" ? file : (file.content ?? "")).length,
    ]),
  ];
  const [largest] = sizes.sort(([, a], [, b]) => b - a);
  return largest ? ` Its largest part is the ${largest[0]}.` : "";
}
