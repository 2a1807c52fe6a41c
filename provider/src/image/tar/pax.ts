import type { ByteString } from "../tree.js";
import type { SparsePart } from "./header.js";

/** The extended header records that are used, of one entry or of all that follow. */
export interface PaxRecords {
  path?: ByteString;
  linkPath?: ByteString;
  size?: number;
  uid?: number;
  gid?: number;
  mtime?: { seconds: number; nanoseconds: number };
  xattrs?: Map<ByteString, Buffer>;
  sparse?: PaxSparse;
}

/** GNU's ways to say in extended headers that a file is sparse: versions 0.0 and 0.1 (`parts`) and 1.0 (the map precedes the data). */
export interface PaxSparse {
  name?: ByteString;
  size?: number;
  parts: SparsePart[];
  mapInData: boolean;
}

/**
 * Reads the records of an extended header (`%d keyword=value\n`).
 *
 * @returns undefined when they are malformed.
 */
export function parsePax(data: Buffer): PaxRecords | undefined {
  const records: PaxRecords = {};
  let sparse: (PaxSparse & { major?: number; offset?: number }) | undefined;
  for (let start = 0; start < data.length && data[start] !== 0;) {
    const space = data.indexOf(0x20, start);
    const length = space < 0 ? NaN : Number(data.toString("latin1", start, space));
    const equals = data.indexOf(0x3d, space);
    const end = start + length - 1;
    if (!(length > 0) || equals < 0 || equals > end || data[end] !== 0x0a) return undefined;
    const key = data.toString("latin1", space + 1, equals);
    const value = data.subarray(equals + 1, end);
    start = end + 1;

    if (key.startsWith("SCHILY.xattr.")) {
      records.xattrs ??= new Map();
      records.xattrs.set(key.slice("SCHILY.xattr.".length), Buffer.from(value));
      continue;
    }
    if (key.startsWith("GNU.sparse.")) {
      sparse ??= { parts: [], mapInData: false };
      addSparse(sparse, key.slice("GNU.sparse.".length), value.toString("latin1"));
      continue;
    }
    const text = value.toString("latin1");
    if (key === "path") records.path = text;
    else if (key === "linkpath") records.linkPath = text;
    else if (key === "size") records.size = Number(text);
    else if (key === "uid") records.uid = Number(text);
    else if (key === "gid") records.gid = Number(text);
    else if (key === "mtime") records.mtime = parseTime(text);
  }
  if (sparse) records.sparse = sparse;
  return records;
}

function addSparse(sparse: PaxSparse & { major?: number; offset?: number }, key: string, value: string): void {
  if (key === "name") sparse.name = value;
  else if (key === "size" || key === "realsize") sparse.size = Number(value);
  else if (key === "major") sparse.mapInData = Number(value) >= 1;
  else if (key === "offset") sparse.offset = Number(value);
  else if (key === "numbytes") sparse.parts.push({ offset: sparse.offset ?? 0, length: Number(value) });
  else if (key === "map") {
    const numbers = value.split(",").map(Number);
    for (let index = 0; index + 1 < numbers.length; index += 2) {
      sparse.parts.push({ offset: numbers[index] as number, length: numbers[index + 1] as number });
    }
  }
}

/** A decimal number of seconds, possibly negative, to the nanosecond. */
function parseTime(text: string): { seconds: number; nanoseconds: number } {
  const [, sign = "", whole = "0", fraction = ""] = /^(-?)(\d*)(?:\.(\d*))?$/.exec(text) ?? [];
  const seconds = Number(whole);
  const nanoseconds = Number(fraction.padEnd(9, "0").slice(0, 9));
  if (sign === "") return { seconds, nanoseconds };
  return nanoseconds === 0
    ? { seconds: -seconds, nanoseconds }
    : { seconds: -seconds - 1, nanoseconds: 1e9 - nanoseconds };
}
