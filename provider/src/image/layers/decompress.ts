import { createGunzip } from "node:zlib";
import { Decompress as ZstdDecompress } from "fzstd"; // Node.js 20 has no zstd; this one is small, streams, and is plain JavaScript.

/** A step of a `stream.pipeline`. */
type Transform = NodeJS.ReadWriteStream | ((source: AsyncIterable<Buffer>) => AsyncIterable<Buffer>);

/** How to decompress data, told from its first bytes: media types are often wrong. */
export function decompressor(start: Buffer): Transform {
  if (isGzip(start)) return createGunzip({ chunkSize: 256 * 1024 });
  if (start.length >= 4 && start.readUInt32LE(0) === 0xfd2fb528) return unzstd;
  return async function* (source) {
    yield* source;
  };
}

export function isGzip(start: Buffer): boolean {
  return start.length >= 2 && start.readUInt16BE(0) === 0x1f8b;
}

async function* unzstd(source: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  let ready: Uint8Array[] = [];
  const decoder = new ZstdDecompress((chunk) => void ready.push(chunk));
  for await (const chunk of source) {
    decoder.push(chunk);
    yield* drain();
  }
  decoder.push(new Uint8Array(0), true);
  yield* drain();

  function* drain(): Generator<Buffer> {
    for (const chunk of ready) if (chunk.length > 0) yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    ready = [];
  }
}
