import { gunzipSync } from "node:zlib";
import type { Properties } from "../../support/stand-in-plugin.js";

// What Compute Engine refuses, in the words by which its client tells of it.

/** RFC 1035, as Compute Engine wants names and tags. */
const NAME = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/;
const LABEL = /^[\p{Ll}0-9_-]{0,63}$/u;
const FEATURES = ["UEFI_COMPATIBLE", "VIRTIO_SCSI_MULTIQUEUE", "GVNIC", "MULTI_IP_SUBNET", "SEV_CAPABLE"];
const GIB = 2 ** 30;

export function checkName(name: unknown): void {
  if (typeof name !== "string" || !NAME.test(name))
    throw new Error(`googleapi: Error 400: Invalid value for field 'name': '${String(name)}'`);
}

export function checkLabels(labels: unknown): void {
  for (const [key, value] of Object.entries((labels ?? {}) as Record<string, string>))
    if (!/^[a-z]/.test(key) || !LABEL.test(key) || !LABEL.test(value))
      throw new Error(`googleapi: Error 400: Invalid label '${key}: ${value}'`);
}

export function checkFeatures(features: unknown): void {
  for (const { type } of (features ?? []) as { type: string }[])
    if (!FEATURES.includes(type)) throw new Error(`googleapi: Error 400: Invalid value '${type}'`);
}

/** What a firewall rule lets in. */
export function checkAllowed(allowed: unknown): void {
  if (!Array.isArray(allowed) || allowed.length === 0)
    throw new Error("googleapi: Error 400: one of allowed or denied must be set");
  for (const { protocol, ports } of allowed as { protocol: string; ports: string[] }[])
    if (!["tcp", "udp"].includes(protocol) || ports.length === 0 || !ports.every((port) => /^\d+$/.test(port)))
      throw new Error("googleapi: Error 400: Invalid value for field 'resource.allowed'");
}

export function checkSourceRanges(ranges: string[]): void {
  if (new Set(ranges.map((block) => block.includes(":"))).size !== 1)
    throw new Error("googleapi: Error 400: source ranges of both IPv4 and IPv6 are not allowed in one rule");
}

export function checkMetadata(metadata: Record<string, string>): void {
  for (const [key, value] of Object.entries(metadata))
    if (!/^[a-zA-Z0-9_-]{1,127}$/.test(key) || Buffer.byteLength(value) > 256 * 1024)
      throw new Error(`googleapi: Error 400: Invalid value for field 'metadata.${key}'`);
}

/**
 * Network cards and disks of a machine of the first generations, of the third, and of the fourth. From the third on there is gVNIC alone, for images
 * that say that they have a driver for it. The third, and G2 of those before, takes no standard disk; the fourth takes Hyperdisks alone, of 4 GiB and
 * more.
 */
export function checkDevices(
  machineType: string,
  { type = "pd-standard", size, image }: { type?: string; size?: number; image: Properties },
  [card]: { nicType?: string }[],
): void {
  const isNew = machineType.startsWith("n4");
  const hasGvnicAlone = isNew || machineType.startsWith("c3");
  const features = (image["guestOsFeatures"] ?? []) as { type: string }[];
  const hasGvnic = features.some((feature) => feature.type === "GVNIC");
  if (card?.nicType === "GVNIC" ? !hasGvnic : hasGvnicAlone)
    throw new Error(`googleapi: Error 400: NIC type ${String(card?.nicType)} is not supported for ${machineType}`);
  const isRefused = type === "pd-standard" && /^(c3|g2)/.test(machineType);
  if (type.startsWith("hyperdisk-") !== isNew || isRefused)
    throw new Error(`googleapi: Error 400: ${type} disk type cannot be used by ${machineType} machine type`);
  const least = isNew ? 4 : type === "pd-balanced" ? 10 : 1;
  if (Number(size ?? image["diskSizeGb"]) < least)
    throw new Error(`googleapi: Error 400: Disk size cannot be smaller than ${least} GB`);
}

/** An archive that an image is to be made of: `disk.raw` in a gzipped tar archive, as large as whole GiBs. */
export function checkArchive(archive: Buffer): void {
  const header = gunzipSync(archive).subarray(0, 512);
  const text = (at: number, length: number): string =>
    header
      .subarray(at, at + length)
      .toString("latin1")
      .split("\0")[0] ?? "";
  if (text(0, 100) !== "disk.raw") throw new Error("googleapi: Error 400: The tar archive has no disk.raw");
  if (text(257, 8) !== "ustar  ") throw new Error("googleapi: Error 400: The tar archive is not of the old GNU form");
  if (parseInt(text(483, 12), 8) % GIB !== 0) throw new Error("googleapi: Error 400: The disk is not of whole GiBs");
}
