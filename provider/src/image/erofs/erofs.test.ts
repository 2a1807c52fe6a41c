import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { temporaryDirectory } from "../testing/temporary.js";
import { extract, file, folder, fsck, listFolder, listTree, symlink } from "../testing/trees.js";
import { directory, type Directory, type Inode } from "../tree.js";
import { treeDigest } from "../tree-digest.js";
import { BLOCK_SIZE } from "./format.js";
import { fileBytes } from "../random-access.js";
import { DiskReader } from "./read.js";
import { writeDisk } from "./write.js";

/** Writes a tree below `/rootfs` of a disk, as images have it. */
async function write(
  rootfs: Directory,
  to = temporaryDirectory(),
): Promise<{ disk: string; bytes: Buffer; tree: Directory }> {
  const tree = folder({ rootfs });
  const disk = join(to, "disk.erofs");
  await writeDisk(disk, tree, treeDigest(tree));
  return { disk, bytes: readFileSync(disk), tree };
}

const isRoot = process.getuid?.() === 0;

describe("a disk", () => {
  test("passes fsck.erofs and unpacks to the tree it was made of", async () => {
    const hardLinked = file("one inode, two names", { mtime: 1_600_000_000, mtimeNs: 123_456_789 });
    const { disk, tree } = await write(
      folder({
        empty: file(""),
        short: file("short"),
        "exactly a block": file(Buffer.alloc(BLOCK_SIZE, 7)),
        "a block and a tail": file(Buffer.alloc(BLOCK_SIZE + 100, 8)),
        "a tail that does not fit": file(Buffer.alloc(2 * BLOCK_SIZE - 1, 9)),
        large: file(Buffer.alloc(3 * 1024 * 1024 + 17, 10), { mode: 0o755 }),
        "large ids": file("x", { uid: 100_000, gid: 4_294_967_294 }),
        "bytes \xff\xfe": file("not UTF-8"),
        first: hardLinked,
        second: hardLinked,
        link: symlink("../etc/passwd"),
        "long link": symlink("x/".repeat(2000)),
        directory: folder(
          { nested: folder({ file: file("deep") }, { mode: 0o1777 }), empty: directory() },
          { uid: 33, gid: 33 },
        ),
        many: folder(
          Object.fromEntries(Array.from({ length: 3000 }, (_, index) => [`file number ${index}`, file(`${index}`)])),
        ),
        "!sorts before .": file("!"),
      }),
    );
    fsck(disk);
    const target = join(temporaryDirectory(), "extracted");
    extract(disk, target);
    const expected = listTree(tree);
    const found = listFolder(target);
    if (!isRoot)
      for (const listed of [...Object.values(expected), ...Object.values(found)])
        Object.assign(listed, { uid: 0, gid: 0 });
    expect(found).toEqual(expected);
    // fsck.erofs unpacks two files; on the disk it is one inode.
    const linked = withReader(disk, (reader) => [...reader.files()]).filter(
      ({ links, type }) => type === "file" && links > 1,
    );
    expect(linked.map(({ path, links }) => [path, links])).toEqual([
      ["/rootfs/first", 2],
      ["/rootfs/second", 2],
    ]);
    expect(linked[0]?.nid).toBe(linked[1]?.nid);
  });

  test("holds devices, fifos, sockets and extended attributes", async () => {
    const common = { mode: 0o600, uid: 0, gid: 0, mtime: 0, mtimeNs: 0, layer: 0 };
    const capability = Buffer.from("0100000200040000000000000000000000000000", "hex");
    const { disk } = await write(
      folder({
        null: { type: "character device", ...common, major: 1, minor: 3 },
        disk: { type: "block device", ...common, major: 259, minor: 70_000 },
        fifo: { type: "fifo", ...common, major: 0, minor: 0 },
        socket: { type: "socket", ...common, major: 0, minor: 0 },
        sudo: file("sudo", { mode: 0o4755 }),
        ping: file("ping", {
          xattrs: new Map([
            ["security.capability", capability],
            ["user.note", Buffer.from("hello")],
          ]),
        }),
        long: file("long", { xattrs: new Map([["user.long", Buffer.alloc(10_000, 65)]]) }),
      }),
    );
    fsck(disk);
    const files = Object.fromEntries(
      withReader(disk, (reader) => [...reader.files()]).map((file) => [file.path, file]),
    );
    expect(files["/rootfs/null"]).toMatchObject({ type: "character device", device: { major: 1, minor: 3 } });
    expect(files["/rootfs/disk"]).toMatchObject({ type: "block device", device: { major: 259, minor: 70_000 } });
    expect(files["/rootfs/fifo"]?.type).toBe("fifo");
    expect(files["/rootfs/socket"]?.type).toBe("socket");
    expect(files["/rootfs/sudo"]?.mode).toBe(0o4755);
    expect(files["/rootfs/ping"]?.xattrs).toEqual({
      "security.capability": capability,
      "user.note": Buffer.from("hello"),
    });
    expect(files["/rootfs/long"]?.xattrs?.["user.long"]).toEqual(Buffer.alloc(10_000, 65));
    expect(execFileSync("dump.erofs", ["--path=/rootfs/null", disk], { encoding: "utf8" })).toContain("char dev");
  });

  test("has the same bytes for the same tree, whatever order its entries came in", async () => {
    const entries: [string, Inode][] = Array.from({ length: 200 }, (_, index) => [
      `f${index}`,
      file("x".repeat(index * 50)),
    ]);
    const one = await write(folder(Object.fromEntries(entries)));
    const other = await write(folder(Object.fromEntries([...entries].reverse())));
    expect(one.bytes.equals(other.bytes)).toBe(true);
    entries[0] = ["f0", file("changed")];
    const changed = await write(folder(Object.fromEntries(entries)));
    expect(changed.bytes.equals(one.bytes)).toBe(false);
  });

  test("is no larger than its content needs", async () => {
    const files = Array.from({ length: 2000 }, (_, index): [string, Inode] => [
      `f${index}`,
      file(Buffer.alloc((index * 7919) % 9000, index)),
    ]);
    const content = files.reduce((sum, [, inode]) => sum + (inode.type === "file" ? inode.size : 0), 0);
    const { bytes } = await write(folder(Object.fromEntries(files)));
    expect(bytes.length).toBeLessThan(content * 1.1);
  });

  test("stores the same content once", async () => {
    const data = Buffer.alloc(1024 * 1024, "same");
    const { bytes, disk, tree } = await write(
      folder({ one: file(data), two: file(data, { mode: 0o600 }), three: file(data, { mtime: 5 }) }),
    );
    expect(bytes.length).toBeLessThan(1.1 * data.length);
    const target = join(temporaryDirectory(), "extracted");
    extract(disk, target);
    expect(Object.keys(listFolder(target))).toEqual(Object.keys(listTree(tree)));
    expect(readFileSync(join(target, "rootfs/two")).equals(data)).toBe(true);
  });

  test("moves few 512 KiB blocks when the top layer changes", async () => {
    const pseudoRandom = (seed: number, length: number): Buffer =>
      Buffer.alloc(length, createHash("sha512").update(`${seed}`).digest());
    const tree = (application: string): Directory => {
      const base = Array.from({ length: 1000 }, (_, index): [string, Inode] => [
        `lib${index}`,
        file(pseudoRandom(index, (index * 104_729) % 60_000)),
      ]);
      const top = Array.from({ length: 50 }, (_, index): [string, Inode] => [
        `app${index}.rb`,
        file(`${application} ${index}\n`.repeat(40), { layer: 1 }),
      ]);
      return folder({ lib: folder(Object.fromEntries(base)), app: folder(Object.fromEntries(top)) });
    };
    const before = (await write(tree("puts 1"))).bytes;
    const after = (await write(tree("puts 'a longer line'"))).bytes;
    const size = 512 * 1024;
    const blocks = Math.ceil(Math.max(before.length, after.length) / size);
    const moved = Array.from({ length: blocks }, (_, index) => index * size).filter(
      (start) => !before.subarray(start, start + size).equals(after.subarray(start, start + size)),
    );
    expect(blocks).toBeGreaterThan(40);
    expect(moved.length).toBeLessThanOrEqual(3);
  });

  test("round-trips any tree", { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(anyDirectory, async (rootfs) => {
        const to = temporaryDirectory();
        const { disk, tree } = await write(rootfs, to);
        fsck(disk);
        const target = join(to, "extracted");
        extract(disk, target);
        const expected = listTree(tree);
        const found = listFolder(target);
        if (!isRoot)
          for (const listed of [...Object.values(expected), ...Object.values(found)])
            Object.assign(listed, { uid: 0, gid: 0 });
        expect(found).toEqual(expected);
      }),
      { numRuns: 40 },
    );
  });

  test("that is broken is refused with a sentence, never misread or fallen over", async () => {
    const { disk, bytes } = await write(
      folder({ file: file("x".repeat(5000)), directory: folder({ link: symlink("target") }) }),
    );
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.uint8Array({ minLength: 1, maxLength: 8 }), (position, noise) => {
        const broken = Buffer.from(bytes);
        broken.set(noise.subarray(0, bytes.length - position), position);
        writeFileSync(disk, broken);
        try {
          withReader(disk, (reader) => {
            for (const { nid, type } of reader.files()) if (type === "file") reader.content(nid);
          });
        } catch (error) {
          expect((error as Error).name).toBe("VisibleError");
        }
      }),
      { numRuns: 500 },
    );
  });
});

function withReader<T>(path: string, use: (reader: DiskReader) => T): T {
  const file = openSync(path, "r");
  try {
    return use(new DiskReader(fileBytes(path, file)));
  } finally {
    closeSync(file);
  }
}

const name = fc
  .uint8Array({ minLength: 1, maxLength: 40 })
  .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x61 : byte))).toString("latin1"))
  .filter((name) => name !== "." && name !== "..");
const metadata = fc.record({
  uid: fc.oneof(fc.constant(0), fc.nat(70_000)),
  gid: fc.oneof(fc.constant(0), fc.nat(70_000)),
  mtime: fc.oneof(fc.constant(0), fc.nat(2_000_000_000)),
});
const anyFile = fc
  .tuple(fc.oneof(fc.nat(200), fc.nat(20_000)), fc.nat(255), fc.nat(3), metadata)
  .map(([size, fill, layer, metadata]) => file(Buffer.alloc(size, fill), { ...metadata, layer }));
const anySymlink = fc.stringMatching(/^[a-z./]{1,300}$/).map(symlink);
const { anyDirectory } = fc.letrec<{ anyInode: Inode; anyDirectory: Directory }>((tie) => ({
  anyInode: fc.oneof({ maxDepth: 4, withCrossShrink: true }, anyFile, anySymlink, tie("anyDirectory")),
  anyDirectory: fc
    .tuple(fc.dictionary(name, tie("anyInode"), { maxKeys: 30, noNullPrototype: true }), metadata)
    .map(([entries, metadata]) => folder(entries, metadata)),
}));
