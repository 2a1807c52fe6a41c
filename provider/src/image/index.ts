/**
 * Turns a source into a disk image, as a pipeline of deterministic steps whose results are kept in a cache. Knows nothing of
 * Pulumi.
 */
export { VisibleError } from "./errors.js";
export {
  DISK_FORMATS,
  encodeDisk,
  openBootDisk,
  openBootDiskFor,
  recognizeDisk,
  SNAPSHOT_BLOCK,
  writeBootDisk,
  type BootDisk,
  type BootDiskOptions,
  type DiskFormat,
  type Extent,
  type FileFormat,
} from "./disk/index.js";
export { buildImage, openImage } from "./build.js";
export { Cache, defaultCacheDir, writeSynced } from "./cache.js";
export { isLoopback, openHttp, type Fetch } from "./http.js";
export { inspectDisk } from "./inspect.js";
export { bundledKernel } from "./kernel.js";
export type {
  BinarySource,
  BuildContext,
  BuiltImage,
  BundleSource,
  ContainerSource,
  Digest,
  DirectorySource,
  DiskDescription,
  DiskFile,
  Firmware,
  ImageSpec,
  Kernel,
  KernelSource,
  Loader,
  Progress,
  Source,
  TmpfsMount,
} from "./types.js";
export type {
  InstanceConfig,
  InstanceFile,
  Mount,
  Owner,
  Process,
  ResourceLimit,
  Root,
  RuntimeConfig,
  User,
} from "./runtime-config.js";
