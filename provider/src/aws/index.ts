/**
 * The way to AWS: images as AMIs, and instances on EC2. Needs `@pulumi/aws`, `@aws-sdk/client-ebs`, `@aws-sdk/client-ec2` and
 * `@aws-sdk/credential-providers` beside this package, and
 * `@aws-sdk/client-s3` for the way by S3.
 *
 * @packageDocumentation
 */
export { DiskObject, type DiskObjectArgs } from "../hosts/dynamic/aws-object.js";
export { Snapshot, type AwsCredentials, type SnapshotArgs } from "../hosts/dynamic/aws-snapshot.js";
export type { AssumedRole, ServiceEndpoints } from "../resources/aws/connection-properties.js";
export { Ami, type AmiArgs, type ImportArgs } from "./ami.js";
export { Instance, target, type TargetArgs } from "./instance.js";
export {
  importPolicy,
  importRole,
  uploadPolicy,
  type ImportPolicyArgs,
  type ImportRole,
  type PolicyDocument,
  type PolicyStatement,
  type TrustPolicyDocument,
  type UploadPolicyArgs,
} from "./policy.js";
export type { Transform } from "../cloud/transform.js";
export { userData, userDataBase64, type UserDataArgs } from "./user-data.js";
