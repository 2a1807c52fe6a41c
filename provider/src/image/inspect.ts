import { VisibleError } from "./errors.js";
import type { DiskDescription } from "./types.js";

/** Reads a disk back. */
export async function inspectDisk(_path: string): Promise<DiskDescription> {
  throw new VisibleError("Disks cannot be inspected yet.");
}
