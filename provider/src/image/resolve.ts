import type { ByteString, Directory, Inode } from "./tree.js";

/** How many symlinks Linux follows in one path before it gives up (ELOOP). */
const MAX_SYMLINKS = 40;

export interface Resolved {
  inode: Inode;
  /** The path without symlinks in it. */
  path: ByteString;
}

/**
 * Looks a path up as a process with `root` as its root directory would: symlinks are followed inside the root, `..` at the root
 * stays there.
 *
 * @returns undefined when there is nothing, or the symlinks go in circles.
 */
export function resolve(
  root: Directory,
  path: ByteString,
  options: { followLast?: boolean } = {},
): Resolved | undefined {
  const followLast = options.followLast ?? true;
  const pending = components(path).reverse();
  const stack: { name: ByteString; inode: Inode }[] = [];
  const current = (): Inode => stack.at(-1)?.inode ?? root;
  let symlinks = 0;

  while (pending.length > 0) {
    const name = pending.pop() as ByteString;
    if (name === "..") {
      stack.pop();
      continue;
    }
    const parent = current();
    if (parent.type !== "directory") return undefined;
    const inode = parent.entries.get(name);
    if (inode === undefined) return undefined;
    if (inode.type === "symlink" && (pending.length > 0 || followLast)) {
      if (++symlinks > MAX_SYMLINKS) return undefined;
      if (inode.target.startsWith("/")) stack.length = 0;
      pending.push(...components(inode.target).reverse());
      continue;
    }
    stack.push({ name, inode });
  }
  return { inode: current(), path: `/${stack.map(({ name }) => name).join("/")}` };
}

function components(path: ByteString): ByteString[] {
  return path.split("/").filter((name) => name !== "" && name !== ".");
}
