/**
 * Run an unmodified Linux application as a virtual machine of its own, described in a Pulumi program.
 *
 * @packageDocumentation
 */
export { Image, type ImageArgs } from "./hosts/dynamic/image.js";
export { Instance, type InstanceArgs } from "./hosts/dynamic/instance.js";
export type { InstancePort, PortMapping, Timeouts } from "./resources/instance-properties.js";
export type { BinarySource, BundleSource, ContainerSource, DirectorySource, Source } from "./image/index.js";
