/**
 * One 512-byte header of a tar archive: POSIX ustar, GNU, and what came before.
 *
 * @see https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html
 * @see https://www.gnu.org/software/tar/manual/html_node/Standard.html
 */
import type { ByteString } from "../tree.js";

export const RECORD = 512;

export interface RawHeader {
  name: ByteString;
  mode: number;
  uid: number;
  gid: number;
  size: number;
  mtime: number;
  type: string;
  linkName: ByteString;
  major: number;
  minor: number;
  /** The GNU form of a sparse file (type `S`): the parts that are stored, whether more of them follow, and the true size. */
  sparse: { parts: SparsePart[]; more: boolean; size: number };
}

/** A part of a sparse file that is stored; the rest is zero. */
export interface SparsePart {
  offset: number;
  length: number;
}

/** @returns undefined when the record is no header. */
export function parseHeader(record: Buffer): RawHeader | undefined {
  if (!checksumMatches(record)) return undefined;
  const isPosix = record.toString("latin1", 257, 263) === "ustar\0";
  const isGnu = record.toString("latin1", 257, 263) === "ustar ";
  const prefix = isPosix ? text(record, 345, 155) : "";
  const name = text(record, 0, 100);
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    mode: number(record, 100, 8) & 0o7777,
    uid: number(record, 108, 8),
    gid: number(record, 116, 8),
    size: number(record, 124, 12),
    mtime: number(record, 136, 12),
    type: String.fromCharCode(record[156] ?? 0),
    linkName: text(record, 157, 100),
    major: isPosix || isGnu ? number(record, 329, 8) : 0,
    minor: isPosix || isGnu ? number(record, 337, 8) : 0,
    sparse: { parts: sparseParts(record, 386, 4), more: record[482] === 1, size: number(record, 483, 12) },
  };
}

/** More parts of a GNU sparse file, in a record of their own. */
export function parseSparseRecord(record: Buffer): { parts: SparsePart[]; more: boolean } {
  return { parts: sparseParts(record, 0, 21), more: record[504] === 1 };
}

/** The sum of all bytes, with the checksum's own field read as spaces. Old programs summed signed bytes. */
function checksumMatches(record: Buffer): boolean {
  const expected = number(record, 148, 8);
  let unsigned = 0;
  let signed = 0;
  for (let index = 0; index < RECORD; index++) {
    const byte = index >= 148 && index < 156 ? 0x20 : (record[index] as number);
    unsigned += byte;
    signed += byte < 128 ? byte : byte - 256;
  }
  return expected === unsigned || expected === signed;
}

function text(record: Buffer, offset: number, length: number): ByteString {
  const value = record.toString("latin1", offset, offset + length);
  const end = value.indexOf("\0");
  return end < 0 ? value : value.slice(0, end);
}

/** Octal digits or, when the first bit is set, a big-endian binary number (GNU). */
function number(record: Buffer, offset: number, length: number): number {
  const first = record[offset] ?? 0;
  if ((first & 0x80) === 0) return parseInt(text(record, offset, length).trim() || "0", 8) || 0;
  let value = first === 0xff ? -1n : BigInt(first & 0x7f);
  for (let index = offset + 1; index < offset + length; index++)
    value = (value << 8n) | BigInt(record[index] as number);
  return Number(value);
}

function sparseParts(record: Buffer, offset: number, count: number): SparsePart[] {
  const parts: SparsePart[] = [];
  for (let index = 0; index < count; index++) {
    const at = offset + index * 24;
    if (record[at] === 0) break;
    parts.push({ offset: number(record, at, 12), length: number(record, at + 12, 12) });
  }
  return parts;
}
