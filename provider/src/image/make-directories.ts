import { resolve } from "./resolve.js";
import { type ByteString, directory, type Directory } from "./tree.js";

/**
 * Finds the directory of this path, whose symlinks are followed inside the root, and makes what is missing of it.
 *
 * @param times - When those that are made were last changed.
 * @returns the directory, or the part of the path that is none.
 */
export function makeDirectories(
  root: Directory,
  path: ByteString,
  times: { mtime: number; mtimeNs?: number },
): Directory | ByteString {
  let current = root;
  let walked = "";
  for (const component of path.split("/").filter((name) => name !== "")) {
    walked += `/${component}`;
    const next = resolve(root, walked)?.inode;
    if (next?.type === "directory") {
      current = next;
      continue;
    }
    // A symlink that leads nowhere is in the way, too.
    if (next !== undefined || current.entries.has(component)) return walked;
    const made = directory(times);
    current.entries.set(component, made);
    current = made;
  }
  return current;
}
