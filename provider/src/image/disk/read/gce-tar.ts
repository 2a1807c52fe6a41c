import { createReadStream, openSync } from "node:fs";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream";
import { constants, createGunzip, gunzipSync } from "node:zlib";
import { errorCode, VisibleError } from "../../errors.js";
import { StreamSource } from "../../tar/bytes.js";
import { parseHeader, RECORD } from "../../tar/header.js";
import { readTar } from "../../tar/read.js";
import { GCE_DISK_NAME } from "../formats/gce-tar.js";

/** Whether a file that begins like this is a gzipped archive whose first file is Compute Engine's disk. */
export function isGceTar(start: Buffer): boolean {
  if (start.length < 2 || start.readUInt16BE(0) !== 0x1f8b) return false;
  try {
    const head = gunzipSync(start, { finishFlush: constants.Z_SYNC_FLUSH });
    return head.length >= RECORD && parseHeader(head.subarray(0, RECORD))?.name === GCE_DISK_NAME;
  } catch {
    return false;
  }
}

/**
 * Opens a file of its own, to be closed by the caller, with the disk that is in an archive.
 *
 * @returns the file's descriptor; no name leads to it.
 */
export async function unpackGceTar(path: string): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "unikernel-disk-"));
  try {
    const unpacked = join(folder, GCE_DISK_NAME);
    await unpack(path, unpacked);
    return openSync(unpacked, "r");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function unpack(path: string, target: string): Promise<void> {
  const unzipped = createGunzip();
  // A failure to read ends the decompressor with it.
  pipeline(createReadStream(path), unzipped, () => undefined);
  try {
    for await (const entry of readTar(new StreamSource(unzipped as AsyncIterable<Buffer>), `"${path}"`)) {
      if (entry.path !== GCE_DISK_NAME) continue;
      const file = await open(target, "wx");
      try {
        let position = 0;
        for await (const chunk of entry.content()) {
          if (!chunk.equals(ZEROS.subarray(0, chunk.length))) await file.write(chunk, 0, chunk.length, position);
          position += chunk.length;
        }
        await file.truncate(position);
      } finally {
        await file.close();
      }
      return;
    }
  } catch (error) {
    if (errorCode(error)?.startsWith("Z_") !== true) throw error;
    throw new VisibleError(`"${path}" is cut short or damaged. Copy it again.`);
  }
  throw new VisibleError(`"${path}" holds no ${GCE_DISK_NAME}.`);
}

const ZEROS = Buffer.alloc(64 * 1024);
