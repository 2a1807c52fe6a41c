/** A piece of a stream. */
export interface Part {
  start: number;
  data: Buffer;
  /** Of the last part: how many bytes there are in all. */
  total: number | undefined;
}

/** Cuts a stream into parts of one size, the last one excepted. There is a last one even of nothing. */
export async function* partsOf(stream: AsyncIterable<Buffer>, size: number): AsyncGenerator<Part> {
  let pieces: Buffer[] = [];
  let [start, length] = [0, 0];
  for await (const piece of stream) {
    pieces.push(piece);
    length += piece.length;
    // More than a part is kept until it is clear that it is not the last.
    while (length > size) {
      const all = Buffer.concat(pieces);
      yield { start, data: all.subarray(0, size), total: undefined };
      pieces = [all.subarray(size)];
      [start, length] = [start + size, length - size];
    }
  }
  yield { start, data: Buffer.concat(pieces), total: start + length };
}
