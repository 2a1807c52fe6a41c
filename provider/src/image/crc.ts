/** Cyclic redundancy checks of 32 bits, reflected, as disk formats carry them. */

function table(polynomial: number): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, value) => {
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ polynomial : value >>> 1;
    return value >>> 0;
  });
}

function update(table: Uint32Array, data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = ((crc >>> 8) ^ (table[(crc ^ byte) & 0xff] as number)) >>> 0;
  return crc;
}

const ieee = table(0xedb88320);
const castagnoli = table(0x82f63b78);

/** CRC-32 of IEEE 802.3. */
export function crc32(data: Uint8Array): number {
  return ~update(ieee, data) >>> 0;
}

/** CRC-32C (Castagnoli), without the usual inversion at the end. */
export function crc32c(data: Uint8Array): number {
  return update(castagnoli, data);
}
