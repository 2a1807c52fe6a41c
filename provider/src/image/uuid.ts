/**
 * A UUID of version 8 (RFC 9562) that stands for a content: its free bits are the beginning of the content's digest.
 *
 * @param identity at least 32 hexadecimal digits.
 * @returns its 16 bytes in the order of its text.
 */
export function contentUuid(identity: string): Buffer {
  const uuid = Buffer.from(identity.slice(0, 32), "hex");
  uuid.writeUInt8((uuid.readUInt8(6) & 0x0f) | 0x80, 6);
  uuid.writeUInt8((uuid.readUInt8(8) & 0x3f) | 0x80, 8);
  return uuid;
}
