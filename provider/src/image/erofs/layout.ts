/**
 * Decides where everything goes. The order on the disk:
 *
 *  1. block 0: the superblock and the root directory;
 *  2. for each layer from the bottom: the whole blocks of its files, then its inodes with what lies behind them;
 *  3. the directories, `config.json` and what else has no layer.
 *
 * A new version of an application usually changes its top layer only, so what lies below stays where it was, and only the top
 * layer and the directories (which hold positions of inodes) move. Within a layer, files of 256 KiB and more come before the
 * others: they are libraries and runtimes, and a small file that grows by a block then has little behind it.
 *
 * Inodes and tails are packed into blocks in groups of 512 KiB, so that a change of one shifts what is in its group and
 * nothing else unless the group needs a block more.
 */
import type { ByteString, Directory, Inode } from "../tree.js";
import { sortedEntries } from "../tree.js";
import {
  BLOCK_SIZE,
  COMPACT_INODE_SIZE,
  DIRENT_SIZE,
  EXTENDED_INODE_SIZE,
  SLOT_SIZE,
  SUPERBLOCK_OFFSET,
  SUPERBLOCK_SIZE,
} from "./format.js";
import { encodeXattrs } from "./xattr.js";

/** From this size on a file's blocks come before those of smaller files of the same layer. */
const LARGE_FILE = 256 * 1024;
/** How many bytes of inodes and tails are packed together. */
const PACKING_GROUP = 512 * 1024;

/** An inode with its place on the disk. */
export interface Node {
  inode: Inode;
  /** How many names it has; for a directory 2 and one for each directory in it. */
  links: number;
  /** Whether it needs the 64-byte form. */
  extended: boolean;
  xattrs: Buffer;
  /** Length of its content in bytes. */
  size: number;
  /** How many bytes of the content lie behind the inode. */
  tail: number;
  /** How many blocks the rest of the content takes, and where they begin. */
  blocks: number;
  firstBlock: number;
  /** Where the inode is, in slots from the start of the disk. */
  nid: number;
  /** For a directory: its content, block by block. */
  listing?: DirectoryBlock[];
}

export type DirectoryBlock = { name: ByteString; target: Node }[];

/** One thing in disk order. */
export type Section =
  | { type: "data"; node: Node }
  /** Inodes with their attributes and tails: one block, or several when there is one inode with very long attributes. */
  | { type: "inodes"; nodes: Node[]; blocks: number };

export interface Layout {
  root: Node;
  nodes: Node[];
  /** What follows block 0. */
  sections: Section[];
  /** Length of the disk. */
  blocks: number;
  /** The time of all compact inodes: the one that most inodes have. */
  time: { seconds: number; nanoseconds: number };
}

export function layOut(tree: Directory): Layout {
  const time = commonTime(tree);
  const nodes = new Map<Inode, Node>();
  const root = addNodes(tree, nodes, time);
  listDirectories(tree, root, nodes);

  const others = [...nodes.values()].filter((node) => node !== root);
  const sections: Section[] = [];
  for (const layer of byLayer(others)) {
    sections.push(...dataSections(layer), ...pack(layer));
  }
  const blocks = place(root, sections);
  return { root, nodes: [...nodes.values()], sections, blocks, time };
}

/** Bytes that the inode takes with its attributes. */
export function headSize(node: Node): number {
  return (node.extended ? EXTENDED_INODE_SIZE : COMPACT_INODE_SIZE) + node.xattrs.length;
}

function commonTime(tree: Directory): Layout["time"] {
  const counts = new Map<string, { inode: Inode; count: number }>();
  const seen = new Set<Inode>();
  const count = (inode: Inode): void => {
    if (seen.has(inode)) return;
    seen.add(inode);
    const key = `${inode.mtime}.${inode.mtimeNs}`;
    const entry = counts.get(key);
    if (entry) entry.count++;
    else counts.set(key, { inode, count: 1 });
    if (inode.type === "directory") for (const [, child] of sortedEntries(inode)) count(child);
  };
  count(tree);
  const [most] = [...counts.values()].sort((a, b) => b.count - a.count);
  return { seconds: most?.inode.mtime ?? 0, nanoseconds: most?.inode.mtimeNs ?? 0 };
}

function addNodes(inode: Inode, nodes: Map<Inode, Node>, time: Layout["time"]): Node {
  const known = nodes.get(inode);
  if (known) {
    known.links++;
    return known;
  }
  const size = inode.type === "file" ? inode.size : inode.type === "symlink" ? inode.target.length : 0;
  const node: Node = {
    inode,
    links: inode.type === "directory" ? 2 : 1,
    extended:
      inode.mtime !== time.seconds ||
      inode.mtimeNs !== time.nanoseconds ||
      inode.uid > 0xffff ||
      inode.gid > 0xffff ||
      size > 0xffffffff,
    xattrs: encodeXattrs(inode.xattrs),
    size,
    tail: 0,
    blocks: 0,
    firstBlock: 0,
    nid: 0,
  };
  nodes.set(inode, node);
  if (inode.type === "directory") {
    for (const [, child] of sortedEntries(inode)) {
      addNodes(child, nodes, time);
      if (child.type === "directory") node.links++;
    }
  }
  return node;
}

/** Fills in the directories' content and, now that all links are counted, how each content is split into blocks and tail. */
function listDirectories(tree: Directory, root: Node, nodes: Map<Inode, Node>): void {
  const list = (directory: Directory, node: Node, parent: Node): void => {
    const names: DirectoryBlock = [
      { name: ".", target: node },
      { name: "..", target: parent },
    ];
    for (const [name, inode] of directory.entries) {
      const target = nodes.get(inode) as Node;
      names.push({ name, target });
      if (inode.type === "directory") list(inode, target, node);
    }
    names.sort((a, b) => (a.name < b.name ? -1 : 1));
    node.listing = [];
    let used = BLOCK_SIZE;
    for (const name of names) {
      const length = DIRENT_SIZE + name.name.length;
      if (used + length > BLOCK_SIZE) {
        node.listing.push([]);
        used = 0;
      }
      node.listing.at(-1)?.push(name);
      used += length;
    }
    node.size = (node.listing.length - 1) * BLOCK_SIZE + used;
  };
  list(tree, root, root);

  for (const node of nodes.values()) {
    if (node.links > 0xffff) node.extended = true;
    const rest = node.size % BLOCK_SIZE;
    const fits = headSize(node) + rest <= BLOCK_SIZE;
    node.tail = fits ? rest : 0;
    node.blocks = fits ? Math.floor(node.size / BLOCK_SIZE) : Math.ceil(node.size / BLOCK_SIZE);
  }
}

/** Groups of nodes in disk order. */
function byLayer(nodes: Node[]): Node[][] {
  const layers = new Map<number, Node[]>();
  for (const node of nodes) {
    const layer = node.inode.type === "directory" ? Infinity : node.inode.layer;
    const members = layers.get(layer);
    if (members) members.push(node);
    else layers.set(layer, [node]);
  }
  return [...layers].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, members]) => members);
}

function dataSections(layer: Node[]): Section[] {
  const withData = layer.filter((node) => node.blocks > 0);
  const large = withData.filter((node) => node.size >= LARGE_FILE);
  const small = withData.filter((node) => node.size < LARGE_FILE);
  return [...large, ...small].map((node) => ({ type: "data", node }));
}

/** Packs inodes and their tails into as few blocks as can be had cheaply: best fit, longest first, group by group. */
function pack(layer: Node[]): Section[] {
  const sections: Section[] = [];
  let group: { node: Node; length: number }[] = [];
  let grouped = 0;
  const flush = (): void => {
    const open: { nodes: Node[]; free: number }[] = [];
    for (const { node, length } of group.sort((a, b) => b.length - a.length)) {
      if (length > BLOCK_SIZE) {
        sections.push({ type: "inodes", nodes: [node], blocks: Math.ceil(length / BLOCK_SIZE) });
        continue;
      }
      let best: (typeof open)[number] | undefined;
      for (const block of open) {
        if (block.free >= length && (best === undefined || block.free < best.free)) best = block;
      }
      if (best === undefined) {
        best = { nodes: [], free: BLOCK_SIZE };
        open.push(best);
      }
      best.nodes.push(node);
      best.free -= length;
    }
    for (const block of open) sections.push({ type: "inodes", nodes: block.nodes, blocks: 1 });
    group = [];
    grouped = 0;
  };
  for (const node of layer) {
    const length = roundUp(headSize(node) + node.tail, SLOT_SIZE);
    group.push({ node, length });
    grouped += length;
    if (grouped >= PACKING_GROUP) flush();
  }
  flush();
  return sections;
}

/** Gives everything its position. @returns the number of blocks. */
function place(root: Node, sections: Section[]): number {
  root.nid = (SUPERBLOCK_OFFSET + SUPERBLOCK_SIZE) / SLOT_SIZE;
  const available = BLOCK_SIZE - SUPERBLOCK_OFFSET - SUPERBLOCK_SIZE;
  if (root.blocks > 0 || headSize(root) + root.tail > available) {
    throw new Error("The root directory of a disk has to fit into its first block.");
  }
  const shared = new Map<string, number>();
  let block = 1;
  for (const section of sections) {
    if (section.type === "data") {
      const { node } = section;
      const key = contentKey(node);
      const first = key === undefined ? undefined : shared.get(key);
      node.firstBlock = first ?? block;
      if (first !== undefined) continue;
      if (key !== undefined) shared.set(key, block);
      block += node.blocks;
    } else {
      let offset = block * BLOCK_SIZE;
      for (const node of section.nodes) {
        node.nid = offset / SLOT_SIZE;
        offset += roundUp(headSize(node) + node.tail, SLOT_SIZE);
      }
      block += section.blocks;
    }
  }
  return block;
}

/** Files of the same content share their blocks, when they also have the same split into blocks and tail. */
function contentKey(node: Node): string | undefined {
  return node.inode.type === "file" ? `${node.inode.sha256} ${node.blocks}` : undefined;
}

export function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
