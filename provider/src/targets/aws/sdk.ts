import { VisibleError } from "../../image/index.js";

/**
 * A package of AWS's SDK, loaded when it is first needed: whoever stays at home does not have it.
 *
 * @throws {VisibleError} when it is not installed.
 */
export function loadSdk<Package>(name: `@aws-sdk/${string}`): Package {
  // On Node.js 20 the SDK warns of versions of itself that are not installed: eight lines in each update, of what its user has not chosen.
  process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] ??= "true";
  try {
    // oxlint-disable-next-line typescript/no-require-imports
    return require(name) as Package;
  } catch (error) {
    if ((error as { code?: unknown }).code !== "MODULE_NOT_FOUND") throw error;
    throw new VisibleError(
      `The package ${name} of AWS's SDK is not installed, which the upload to AWS goes through. Run: npm install @pulumi/aws @aws-sdk/client-ebs @aws-sdk/client-ec2 @aws-sdk/credential-providers${name.endsWith("s3") ? ` ${name}` : ""}`,
    );
  }
}
