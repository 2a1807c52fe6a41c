import { VisibleError } from "../errors.js";
import type { ByteString } from "../tree.js";
import { toText } from "../tree.js";
import { XATTR_ENTRY_SIZE, XATTR_HEADER_SIZE, XATTR_PREFIXES } from "./format.js";

/** Whether EROFS has a form for an attribute of this name. */
export function isStorableXattr(name: ByteString): boolean {
  return XATTR_PREFIXES.some(([, prefix]) => (prefix.endsWith(".") ? name.startsWith(prefix) : name === prefix));
}

/** Extended attributes as they lie behind an inode, in the order of their names. */
export function encodeXattrs(xattrs: Map<ByteString, Buffer> | undefined): Buffer {
  if (xattrs === undefined || xattrs.size === 0) return Buffer.alloc(0);
  const parts = [Buffer.alloc(XATTR_HEADER_SIZE)];
  for (const [name, value] of [...xattrs].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const prefix = XATTR_PREFIXES.find(([, prefix]) => name.startsWith(prefix));
    const suffix = name.slice(prefix?.[1].length ?? 0);
    if (prefix === undefined || suffix.length > 255 || value.length > 0xffff) {
      throw new VisibleError(
        `The extended attribute "${toText(name)}" (${value.length} bytes) cannot be stored in an EROFS file system.`,
      );
    }
    const length = XATTR_ENTRY_SIZE + suffix.length + value.length;
    const entry = Buffer.alloc(Math.ceil(length / 4) * 4);
    entry.writeUInt8(suffix.length, 0);
    entry.writeUInt8(prefix[0], 1);
    entry.writeUInt16LE(value.length, 2);
    entry.write(suffix, XATTR_ENTRY_SIZE, "latin1");
    value.copy(entry, XATTR_ENTRY_SIZE + suffix.length);
    parts.push(entry);
  }
  return Buffer.concat(parts);
}

/** Reads what {@link encodeXattrs} wrote. */
export function decodeXattrs(area: Buffer): Map<ByteString, Buffer> {
  const xattrs = new Map<ByteString, Buffer>();
  let offset = XATTR_HEADER_SIZE + 4 * (area[4] ?? 0);
  while (offset + XATTR_ENTRY_SIZE <= area.length) {
    const nameLength = area.readUInt8(offset);
    const index = area.readUInt8(offset + 1);
    const valueLength = area.readUInt16LE(offset + 2);
    const name = offset + XATTR_ENTRY_SIZE;
    const prefix = XATTR_PREFIXES.find(([number]) => number === index)?.[1] ?? `unknown-${index}.`;
    const value = area.subarray(name + nameLength, name + nameLength + valueLength);
    xattrs.set(prefix + area.toString("latin1", name, name + nameLength), value);
    offset = Math.ceil((name + nameLength + valueLength) / 4) * 4;
  }
  return xattrs;
}
