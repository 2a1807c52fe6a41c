/**
 * The way to AWS: images as AMIs, and instances on EC2. Needs `@pulumi/aws`, `@aws-sdk/client-ebs`, `@aws-sdk/client-ec2` and
 * `@aws-sdk/credential-providers` beside this package.
 *
 * @packageDocumentation
 */
export { Snapshot, type AwsCredentials, type SnapshotArgs } from "../hosts/dynamic/aws-snapshot.js";
export type { AssumedRole, ServiceEndpoints } from "../resources/aws/snapshot-properties.js";
export { Ami, type AmiArgs } from "./ami.js";
export { Instance, target, type TargetArgs } from "./instance.js";
export { uploadPolicy, type PolicyDocument, type PolicyStatement, type UploadPolicyArgs } from "./policy.js";
export type { Transform } from "../cloud/transform.js";
export { userData, userDataBase64, type UserDataArgs } from "./user-data.js";
