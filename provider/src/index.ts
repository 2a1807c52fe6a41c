/**
 * Run an unmodified Linux application as a virtual machine of its own, described in a Pulumi program.
 *
 * @packageDocumentation
 */
export { Image, type ImageArgs } from "./hosts/dynamic/image.js";
export { LocalInstance, type LocalInstanceArgs } from "./hosts/dynamic/local-instance.js";
export { Instance, type InstanceArgs, type InstanceConstructor } from "./hosts/instance.js";
export type { Target, TargetInstanceArgs } from "./hosts/target.js";
export type { InstanceFileContent, InstancePort, PortMapping, Timeouts } from "./resources/instance-properties.js";
export type { BinarySource, BundleSource, ContainerSource, DirectorySource, Source } from "./image/index.js";
