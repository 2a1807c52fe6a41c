import { createCipheriv } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, onTestFinished, test } from "vitest";
import { buildImage, openImage } from "../build.js";
import { buildContext } from "../testing/context.js";
import { judge, materialize, partitions } from "../testing/disks.js";
import { elf } from "../testing/elf.js";
import { temporaryDirectory } from "../testing/temporary.js";
import type { BuildContext, BuiltImage } from "../types.js";
import { type BootDisk, openBootDisk, SNAPSHOT_BLOCK } from "./index.js";

const MIB = 1024 * 1024;
const SECTOR = 512;
/** No block of it is like another. */
const LIBRARY = createCipheriv("aes-128-ctr", Buffer.alloc(16), Buffer.alloc(16)).update(Buffer.alloc(3_000_000));

/** An image with a file of `text`, the same in every other respect. */
async function imageOf(text: string, context: BuildContext = buildContext()): Promise<BuiltImage> {
  const root = join(context.baseDir, "root");
  mkdirSync(root, { recursive: true });
  writeFileSync(join(root, "app"), elf());
  chmodSync(join(root, "app"), 0o755);
  writeFileSync(join(root, "library"), LIBRARY);
  writeFileSync(join(root, "text"), text);
  return buildImage({ source: { directory: "root", command: ["/app"] } }, context);
}

async function bootDisk(image: BuiltImage, roundTo?: number): Promise<BootDisk> {
  const disk = await openBootDisk(image, { roundTo });
  onTestFinished(() => disk.close());
  return disk;
}

/** A file with the disk's bytes, and its partitions. */
async function diskFile(image: BuiltImage): Promise<{ file: string; disk: BootDisk }> {
  const disk = await bootDisk(image);
  const file = join(temporaryDirectory(), "disk");
  await materialize(disk, file);
  return { file, disk };
}

function cut(file: string, partition: { start: number; size: number } | undefined): string {
  if (partition === undefined) throw new Error("There is no such partition.");
  const path = join(temporaryDirectory(), "partition");
  writeFileSync(
    path,
    readFileSync(file).subarray(partition.start * SECTOR, (partition.start + partition.size) * SECTOR),
  );
  return path;
}

describe("a boot disk", () => {
  test("has a partition table that nobody finds fault with", async () => {
    const { file, disk } = await diskFile(await imageOf("hello"));
    expect(statSync(file).size).toBe(disk.size);
    expect(judge("sgdisk", "--verify", file)).toContain("No problems found");
    expect(judge("sfdisk", "--verify", file)).toContain("No errors detected");
    expect(judge("parted", "--script", "--machine", file, "print")).toContain(":gpt:");
    expect(judge("sgdisk", "--print", file)).not.toMatch(/invalid|corrupt|warning|caution/i);
  });

  test("has the partitions that firmware, loaders and kernel look for, by their types", async () => {
    const { file } = await diskFile(await imageOf("hello"));
    const { partitions: found } = partitions(file);
    expect(found.map(({ type }) => type)).toEqual([
      "21686148-6449-6E6F-744E-656564454649",
      "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
      "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709",
    ]);
    expect(found[2]).toMatchObject({ name: "root", attrs: "GUID:60" });
    expect((found[2] as { start: number }).start % (SNAPSHOT_BLOCK / SECTOR)).toBe(0);
  });

  test("has the image's own disk as its root partition", async () => {
    const image = await imageOf("hello");
    const { file } = await diskFile(image);
    const root = cut(file, partitions(file).partitions[2]);
    expect(judge("blkid", "--probe", "--match-tag", "TYPE", "--output", "value", root).trim()).toBe("erofs");
    truncateSync(root, image.size);
    expect(readFileSync(root).equals(readFileSync(image.disk))).toBe(true);
  });

  test("has an EFI system partition with the loader and the kernel, and nothing wrong with it", async () => {
    const image = await imageOf("hello");
    const { file } = await diskFile(image);
    const esp = partitions(file).partitions[1];
    const fat = cut(file, esp);
    expect(judge("fsck.fat", "-n", "-v", fat)).toMatch(/: 5 files, \d+\/\d+ clusters\n/);
    expect(judge("minfo", "-i", fat, "::")).toMatch(/disk type="FAT16/);
    const listing = judge("mdir", "-/", "-b", "-i", fat, "::").trim().split("\n").sort();
    expect(listing).toEqual(["::/EFI/", "::/EFI/BOOT/", "::/EFI/BOOT/BOOTX64.EFI", "::/KERNEL.GZ"]);
    const copy = join(temporaryDirectory(), "copy");
    judge("mcopy", "-i", `${file}@@${(esp?.start ?? 0) * SECTOR}`, "::/KERNEL.GZ", copy);
    expect(gunzipSync(readFileSync(copy)).equals(readFileSync(image.kernel.path))).toBe(true);
    judge("mcopy", "-o", "-i", fat, "::/EFI/BOOT/BOOTX64.EFI", copy);
    expect(readFileSync(copy).equals(readFileSync(image.kernel.loaders?.uefi.path ?? ""))).toBe(true);
  });

  test("tells the BIOS loader where it and the kernel lie", async () => {
    const image = await imageOf("hello");
    const { file } = await diskFile(image);
    const bytes = readFileSync(file);
    const stage = Number(bytes.readBigUInt64LE(432)) * SECTOR;
    expect(stage).toBe((partitions(file).partitions[0]?.start ?? 0) * SECTOR);
    const kernel = Number(bytes.readBigUInt64LE(stage + 16)) * SECTOR;
    const size = bytes.readUInt32LE(stage + 24);
    expect(gunzipSync(bytes.subarray(kernel, kernel + size)).equals(readFileSync(image.kernel.path))).toBe(true);
  });

  test("reads the same in one piece, in odd pieces, and as zeros outside its extents", async () => {
    const disk = await bootDisk(await imageOf("hello"));
    const whole = await disk.read(0, disk.size);
    const pieces: Buffer[] = [];
    for (let offset = 0; offset < disk.size; offset += 99_991)
      pieces.push(await disk.read(offset, Math.min(99_991, disk.size - offset)));
    expect(Buffer.concat(pieces).equals(whole)).toBe(true);
    let end = 0;
    for (const { offset, length } of disk.extents) {
      expect(offset).toBeGreaterThanOrEqual(end);
      expect(whole.subarray(end, offset).every((byte) => byte === 0)).toBe(true);
      end = offset + length;
    }
    expect(end).toBe(disk.size);
    await expect(disk.read(disk.size - 1, 2)).rejects.toThrow(RangeError);
  });

  test("is as large as asked for, with the second table at its end", async () => {
    const image = await imageOf("hello");
    const disk = await bootDisk(image, 1024 * MIB);
    expect(disk.size).toBe(1024 * MIB);
    expect((await bootDisk(image)).size % MIB).toBe(0);
    const file = join(temporaryDirectory(), "disk");
    await materialize(disk, file);
    expect(judge("sgdisk", "--verify", file)).toContain("No problems found");
    expect(disk.digest).not.toBe((await bootDisk(image)).digest);
  });

  test("takes no snapshot block for the second table alone", async () => {
    const image = await imageOf("hello");
    const disk = await bootDisk(image, SNAPSHOT_BLOCK);
    const root = disk.extents.at(-2)?.offset ?? 0;
    const blocks = Math.ceil((image.size + 20 * 1024) / SNAPSHOT_BLOCK);
    expect(disk.size).toBe(root + blocks * SNAPSHOT_BLOCK);
    const file = join(temporaryDirectory(), "disk");
    await materialize(disk, file);
    expect(judge("sgdisk", "--verify", file)).toContain("No problems found");
  });

  test("is the same for the same image, whoever builds it, and has a digest of its own for any other", async () => {
    const one = await imageOf("hello");
    const two = await imageOf("hello");
    const [disk, same, other] = await Promise.all([bootDisk(one), bootDisk(two), bootDisk(await imageOf("hullo"))]);
    expect(one.disk).not.toBe(two.disk);
    expect(same.digest).toBe(disk.digest);
    expect((await same.read(0, same.size)).equals(await disk.read(0, disk.size))).toBe(true);
    expect(other.digest).not.toBe(disk.digest);
  });

  test("changes in few snapshot blocks with a line of the application, and not in its tables", async () => {
    const before = await bootDisk(await imageOf("hello"));
    const after = await bootDisk(await imageOf("hello, world"));
    expect(after.size).toBe(before.size);
    const changed: number[] = [];
    for (let offset = 0; offset < before.size; offset += SNAPSHOT_BLOCK) {
      const [a, b] = await Promise.all([before.read(offset, SNAPSHOT_BLOCK), after.read(offset, SNAPSHOT_BLOCK)]);
      if (!a.equals(b)) changed.push(offset);
    }
    const root = before.extents.at(-2)?.offset ?? 0;
    expect(changed.length).toBeLessThanOrEqual(3);
    expect(changed.every((offset) => offset >= root)).toBe(true);
  });

  test("changes with its loaders, as the image does", async () => {
    const context = buildContext();
    const image = await imageOf("hello", context);
    const { digest } = await bootDisk(image);
    writeFileSync(context.kernel?.loaders?.uefi ?? "", "MZ other bytes");
    const changed = await imageOf("hello", context);
    expect(changed.digest).not.toBe(image.digest);
    expect((await bootDisk(changed)).digest).not.toBe(digest);
    // The one that was built before still has its own.
    const reopened = await openImage(image.digest, context);
    expect(reopened).toEqual(image);
    expect((await bootDisk(reopened as BuiltImage)).digest).toBe(digest);
  });

  test("of a kernel without loaders is refused with a sentence", async () => {
    const image = await imageOf("hello", { ...buildContext(), kernel: { path: "/bin/true", version: "1" } });
    await expect(openBootDisk(image)).rejects.toThrow("has no boot loaders beside it");
  });
});
