import { ContentReader } from "./content.js";
import type { ReadAt } from "./elf.js";
import { resolve } from "./resolve.js";
import type { ByteString, Directory, File } from "./tree.js";

/** Calls `use` with a way to read parts of a file of the tree. */
export function withFile<T>(file: File, use: (read: ReadAt) => T): T {
  const reader = new ContentReader();
  try {
    return use((offset, length) => {
      const target = Buffer.alloc(Math.max(0, Math.min(length, file.size - offset)));
      reader.read(file.content, offset, target);
      return target;
    });
  } finally {
    reader.close();
  }
}

/** The text of a file of the tree; undefined when there is no such file. */
export function readText(root: Directory, path: ByteString): string | undefined {
  const inode = resolve(root, path)?.inode;
  if (inode?.type !== "file") return undefined;
  return withFile(inode, (read) => read(0, inode.size)).toString("utf8");
}
