/**
 * A fixed VHD: the disk's bytes and a footer. Azure takes it when the disk is whole MiBs.
 *
 * @see Microsoft, Virtual Hard Disk Image Format Specification, 2006
 * @see https://learn.microsoft.com/azure/virtual-machines/linux/create-upload-generic
 */
import type { BootDisk } from "../boot-disk.js";
import { contentUuid } from "../../uuid.js";
import { type Format, MIB } from "./format.js";
import { raw } from "./raw.js";

export const VHD_FOOTER_SIZE = 512;
export const VHD_COOKIE = "conectix";
const FIXED = 2;

export const vhd: Format = {
  roundTo: MIB,
  async *encode(disk) {
    yield* raw.encode(disk);
    yield { offset: disk.size, data: footer(disk) };
  },
};

function footer(disk: BootDisk): Buffer {
  const footer = Buffer.alloc(VHD_FOOTER_SIZE);
  footer.write(VHD_COOKIE, 0, "latin1");
  footer.writeUInt32BE(2, 8);
  footer.writeUInt32BE(0x00010000, 12);
  footer.fill(0xff, 16, 24);
  // The time of creation stays 0: the same image gives the same bytes.
  // Readers go by the size for files of this creator, and by the geometry, which is less exact, for unknown ones.
  footer.write("win ", 28, "latin1");
  footer.writeUInt32BE(0x000a0000, 32);
  footer.write("Wi2k", 36, "latin1");
  footer.writeBigUInt64BE(BigInt(disk.size), 40);
  footer.writeBigUInt64BE(BigInt(disk.size), 48);
  const { cylinders, heads, sectors } = geometry(disk.size / 512);
  footer.writeUInt16BE(cylinders, 56);
  footer.writeUInt8(heads, 58);
  footer.writeUInt8(sectors, 59);
  footer.writeUInt32BE(FIXED, 60);
  contentUuid(disk.digest.slice("sha256:".length)).copy(footer, 68);
  footer.writeUInt32BE(~footer.reduce((sum, byte) => sum + byte, 0) >>> 0, 64);
  return footer;
}

/** The calculation of the specification's appendix. */
function geometry(total: number): { cylinders: number; heads: number; sectors: number } {
  const count = Math.min(total, 65535 * 16 * 255);
  if (count >= 65535 * 16 * 63) return { cylinders: Math.floor(count / 255 / 16), heads: 16, sectors: 255 };
  let sectors = 17;
  let tracks = Math.floor(count / sectors);
  let heads = Math.max(4, Math.floor((tracks + 1023) / 1024));
  for (const more of [31, 63]) {
    if (tracks < heads * 1024 && heads <= 16) break;
    sectors = more;
    heads = 16;
    tracks = Math.floor(count / sectors);
  }
  return { cylinders: Math.floor(tracks / heads), heads, sectors };
}
