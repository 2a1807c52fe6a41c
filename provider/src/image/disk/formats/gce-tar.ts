/**
 * What Compute Engine imports: `disk.raw` of whole GiBs in a gzipped tar archive of the old GNU form, where it is stored without its holes.
 *
 * @see https://cloud.google.com/compute/docs/import/import-existing-image
 * @see https://www.gnu.org/software/tar/manual/html_node/Sparse-Formats.html
 */
import { pipeline, Readable } from "node:stream";
import { createGzip } from "node:zlib";
import { RECORD } from "../../tar/header.js";
import type { BootDisk, Extent } from "../boot-disk.js";
import { DEFLATE } from "./deflate.js";
import { dataInUnits, type Format, inOrder, MIB, unitRanges } from "./format.js";

const GIB = 1024 * MIB;
export const GCE_DISK_NAME = "disk.raw";
/** Parts that begin at multiples of this: more of them would not save anything. */
const UNIT = 64 * 1024;
const PARTS_IN_HEADER = 4;
const PARTS_IN_RECORD = 21;
/** Archives end at a multiple of this. */
const BLOCKING = 20 * RECORD;

export const gceTar: Format = {
  roundTo: GIB,
  encode: (disk) => inOrder(gzip(tar(disk))),
};

async function* gzip(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const compressor = createGzip(DEFLATE);
  // A failure of the source ends the compressor with it.
  pipeline(Readable.from(chunks), compressor, () => undefined);
  let first = true;
  for await (const chunk of compressor as AsyncIterable<Buffer>) {
    // The operating system, which zlib names where it was compiled: unknown.
    if (first) chunk[9] = 0xff;
    first = false;
    yield chunk;
  }
}

async function* tar(disk: BootDisk): AsyncGenerator<Buffer> {
  const parts = unitRanges(disk, UNIT).map(({ start, end }) => ({
    offset: start * UNIT,
    length: Math.min(end * UNIT, disk.size) - start * UNIT,
  }));
  const head = sparseHeader(disk.size, parts);
  yield head;
  let length = head.length;
  for await (const { data } of dataInUnits(disk, UNIT, MIB)) {
    yield data;
    length += data.length;
  }
  yield Buffer.alloc(Math.ceil((length + 2 * RECORD) / BLOCKING) * BLOCKING - length);
}

function sparseHeader(size: number, parts: Extent[]): Buffer {
  const header = Buffer.alloc(RECORD);
  header.write(GCE_DISK_NAME, 0, "latin1");
  header.write("0000644\0", 100, "latin1");
  header.write("0000000\0", 108, "latin1");
  header.write("0000000\0", 116, "latin1");
  writeNumber(
    header,
    124,
    parts.reduce((sum, { length }) => sum + length, 0),
  );
  writeNumber(header, 136, 0);
  header.write("        S", 148, "latin1");
  header.write("ustar  \0", 257, "latin1");
  const more = parts.slice(PARTS_IN_HEADER);
  writeParts(header, 386, parts.slice(0, PARTS_IN_HEADER));
  header.writeUInt8(more.length > 0 ? 1 : 0, 482);
  writeNumber(header, 483, size);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");

  const records = [header];
  for (let index = 0; index < more.length; index += PARTS_IN_RECORD) {
    const record = Buffer.alloc(RECORD);
    writeParts(record, 0, more.slice(index, index + PARTS_IN_RECORD));
    record.writeUInt8(index + PARTS_IN_RECORD < more.length ? 1 : 0, 504);
    records.push(record);
  }
  return Buffer.concat(records);
}

function writeParts(record: Buffer, at: number, parts: Extent[]): void {
  parts.forEach(({ offset, length }, index) => {
    writeNumber(record, at + index * 24, offset);
    writeNumber(record, at + index * 24 + 12, length);
  });
}

/** A field of 12 bytes: octal digits or, when they are too few, a binary number. */
function writeNumber(record: Buffer, at: number, value: number): void {
  if (value < 8 ** 11) {
    record.write(`${value.toString(8).padStart(11, "0")}\0`, at, "latin1");
  } else {
    record.writeUInt8(0x80, at);
    record.writeBigUInt64BE(BigInt(value), at + 4);
  }
}
