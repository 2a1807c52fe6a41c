/** The kernel as a boot disk has it: gzipped, which the boot loaders undo; see `kernel/loader/src/gzip.rs`. */
import { createHash } from "node:crypto";
// In plain JavaScript: zlib gives other bytes on other CPUs and from version to version of Node.js, and a disk has to have the same everywhere.
import { gzipSync } from "fflate";

/** The times are what is not derived from the kernel, and the memory what would be derived by a logarithm. */
const OPTIONS = { level: 9, mem: 12, mtime: 0 } as const;

/** The last one: the disks of all images of a program have the same. */
let last: { sha256: string; packed: Buffer } | undefined;

/** The same kernel gives the same bytes. */
export function packKernel(kernel: Buffer): Buffer {
  const sha256 = createHash("sha256").update(kernel).digest("hex");
  if (last?.sha256 !== sha256) last = { sha256, packed: Buffer.from(gzipSync(kernel, OPTIONS)) };
  return last.packed;
}
