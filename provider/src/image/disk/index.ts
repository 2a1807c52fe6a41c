/** Disks that boot on any machine: how they are laid out, and the file formats that hypervisors and clouds take them in. */
export { openBootDisk, type BootDisk, type BootDiskOptions, type Extent } from "./boot-disk.js";
export { SNAPSHOT_BLOCK } from "./layout.js";
export { DISK_FORMATS, type DiskFormat, encodeDisk, openBootDiskFor, writeBootDisk } from "./formats/index.js";
export { type FileFormat, recognizeDisk } from "./read/index.js";
