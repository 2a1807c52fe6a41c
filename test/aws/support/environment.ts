import * as path from "node:path";
import type { Key } from "../../../provider/src/targets/aws/testing/signature.js";
import type { Machine } from "../../support/machine.js";
import type { AwsPlugin } from "./aws-plugin.js";

/** What a stack's programs have in their environment: the stand-in for `@pulumi/aws`, and credentials of nobody else's. */
export function awsEnvironment(machine: Machine, plugin: AwsPlugin, key: Key): Record<string, string> {
  return {
    PULUMI_DEBUG_PROVIDERS: `aws:${plugin.port}`,
    AWS_ACCESS_KEY_ID: key.accessKeyId,
    AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_CONFIG_FILE: path.join(machine.folder, "none"),
  };
}
