/** Disks that boot on any machine: how they are laid out, and the file formats that hypervisors and clouds take them in. */
export { openBootDisk, type BootDisk, type BootDiskOptions, type Extent } from "./boot-disk.js";
export { SNAPSHOT_BLOCK } from "./layout.js";
