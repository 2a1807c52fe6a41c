import { open, rm, type FileHandle } from "node:fs/promises";

/**
 * An open file without a name, for QEMU to read by its descriptor. An instance's configuration may hold secrets: this way nothing is left
 * to remove, whatever is killed when.
 */
export async function unlinkedFile(file: string, content: string): Promise<FileHandle> {
  await rm(file, { force: true });
  const handle = await open(file, "wx+", 0o600);
  await rm(file);
  // At a position, so that the shared offset stays at the start.
  await handle.write(Buffer.from(content), 0, undefined, 0);
  return handle;
}
