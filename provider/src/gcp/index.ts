/**
 * The way to Google Cloud: images and instances of Compute Engine. Needs `@pulumi/gcp` and `google-auth-library` beside this package.
 *
 * @packageDocumentation
 */
export { DiskObject, type DiskObjectArgs, type GcpCredentials } from "../hosts/dynamic/gcp-object.js";
export type { Transform } from "../cloud/transform.js";
export { Image, type ImageArgs } from "./image.js";
export { Instance, target, type TargetArgs } from "./instance.js";
export { nicType, type NicType } from "./machine-type.js";
export { metadata, type MetadataArgs } from "./metadata.js";
export { instancePermissions, uploadPermissions, type Permissions } from "./permissions.js";
