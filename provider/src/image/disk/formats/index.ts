/** The file formats of disks. */
import { open } from "node:fs/promises";
import type { BuiltImage } from "../../types.js";
import { type BootDisk, openBootDisk } from "../boot-disk.js";
import type { Format, Part } from "./format.js";
import { gceTar } from "./gce-tar.js";
import { qcow2 } from "./qcow2.js";
import { raw } from "./raw.js";
import { vhd } from "./vhd.js";
import { vmdk } from "./vmdk.js";

const formats = { raw, qcow2, vmdk, vhd, "gce-tar": gceTar } satisfies Record<string, Format>;

/**
 * `raw`: the bytes themselves (KVM, bare metal). `qcow2`: QEMU, OpenStack, Proxmox. `vmdk`: stream-optimized, for vSphere and AWS's import.
 * `vhd`: fixed, for Azure. `gce-tar`: for Compute Engine.
 */
export type DiskFormat = keyof typeof formats;

export const DISK_FORMATS = Object.keys(formats) as DiskFormat[];

/** The disk of an image as a format wants it: its size is what the format can have. */
export function openBootDiskFor(image: BuiltImage, format: DiskFormat): Promise<BootDisk> {
  return openBootDisk(image, { roundTo: formats[format].roundTo });
}

/** A disk in a format, in order. What no part covers is zero; the file ends with the last part. */
export function encodeDisk(disk: BootDisk, format: DiskFormat): AsyncIterable<Part> {
  const encoder: Format = formats[format];
  const unit = encoder.roundTo;
  if (disk.size % unit !== 0) throw new RangeError(`a disk of ${disk.size} bytes is no multiple of ${unit}`);
  return encoder.encode(disk);
}

/**
 * Writes an image to a file as a disk that boots everywhere. The same image gives the same bytes on any machine.
 *
 * @param path - A file that does not exist yet.
 */
export async function writeBootDisk(
  image: BuiltImage,
  format: DiskFormat,
  path: string,
  signal?: AbortSignal,
): Promise<void> {
  const disk = await openBootDiskFor(image, format);
  try {
    const file = await open(path, "wx");
    try {
      for await (const { offset, data } of encodeDisk(disk, format)) {
        signal?.throwIfAborted();
        for (let done = 0; done < data.length;) {
          done += (await file.write(data, done, data.length - done, offset + done)).bytesWritten;
        }
      }
    } finally {
      await file.close();
    }
  } finally {
    await disk.close();
  }
}
