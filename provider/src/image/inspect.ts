import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { errorCode, VisibleError } from "./errors.js";
import { openDiskFile } from "./disk/read/index.js";
import { DiskReader } from "./erofs/read.js";
import type { RuntimeConfig } from "./runtime-config.js";
import type { DiskDescription } from "./types.js";

/**
 * Reads a disk back, whatever its format: its configuration and its files.
 *
 * @throws {VisibleError} when the file is no disk that {@link buildImage} made.
 */
export async function inspectDisk(path: string): Promise<DiskDescription> {
  const { digest, size } = await hash(path);
  const disk = await openDiskFile(path);
  try {
    const reader = new DiskReader(disk.root);
    const files = [...reader.files()];
    const config = files.find((file) => file.path === "/config.json");
    if (config?.type !== "file")
      throw new VisibleError(`"${path}" is an EROFS file system, but holds no OCI bundle: it has no /config.json.`);
    return {
      digest: `sha256:${digest}`,
      size,
      format: disk.format,
      architecture: "x86_64",
      config: JSON.parse(reader.content(config.nid).toString("utf8")) as RuntimeConfig,
      files: files.map(({ nid: _, ...file }) => file),
    };
  } finally {
    disk.close();
  }
}

async function hash(path: string): Promise<{ digest: string; size: number }> {
  try {
    const file = await open(path);
    const hash = createHash("sha256");
    let size = 0;
    for await (const chunk of file.createReadStream({ highWaterMark: 1024 * 1024 })) {
      hash.update(chunk as Buffer);
      size += (chunk as Buffer).length;
    }
    return { digest: hash.digest("hex"), size };
  } catch (error) {
    if (errorCode(error) === "ENOENT") throw new VisibleError(`There is no disk "${path}".`);
    if (errorCode(error) === "EISDIR") throw new VisibleError(`"${path}" is a directory, not a disk.`);
    throw error;
  }
}
