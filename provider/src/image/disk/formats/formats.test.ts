import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { buildImage } from "../../build.js";
import { inspectDisk } from "../../inspect.js";
import { buildContext } from "../../testing/context.js";
import { judge, materialize, sha256 } from "../../testing/disks.js";
import { elf } from "../../testing/elf.js";
import { keptDirectory, temporaryDirectory } from "../../testing/temporary.js";
import type { BuiltImage } from "../../types.js";
import { DEFLATE } from "./deflate.js";
import { DISK_FORMATS, type DiskFormat, openBootDiskFor, writeBootDisk } from "./index.js";

const MIB = 1024 ** 2;
const GIB = 1024 * MIB;
/** QEMU's names of the formats. */
const QEMU_NAMES = { raw: "raw", qcow2: "qcow2", vmdk: "vmdk", vhd: "vpc" };

let folder: ReturnType<typeof keptDirectory>;
let image: BuiltImage;

beforeAll(async () => {
  folder = keptDirectory();
  const context = buildContext(folder.path, folder.path);
  const root = join(context.baseDir, "root");
  mkdirSync(root);
  writeFileSync(join(root, "app"), elf());
  chmodSync(join(root, "app"), 0o755);
  writeFileSync(join(root, "zeros"), Buffer.alloc(2 * MIB));
  writeFileSync(join(root, "text"), "all work and no play\n".repeat(100_000));
  image = await buildImage({ source: { directory: "root", command: ["/app"] } }, context);
  return folder.remove;
});

afterEach(() => vi.unstubAllEnvs());

/** The image in a format, and the same disk as plain bytes. */
async function written(format: DiskFormat): Promise<{ file: string; plain: string }> {
  const target = temporaryDirectory();
  const file = join(target, "disk");
  await writeBootDisk(image, format, file);
  const plain = join(target, "plain");
  const disk = await openBootDiskFor(image, format);
  try {
    await materialize(disk, plain);
  } finally {
    await disk.close();
  }
  return { file, plain };
}

describe.each(["raw", "qcow2", "vmdk", "vhd"] as const)("a disk as %s", (format) => {
  const name = QEMU_NAMES[format];

  test("has the disk's bytes for QEMU", async () => {
    const { file, plain } = await written(format);
    expect(judge("qemu-img", "compare", "-f", name, "-F", "raw", file, plain)).toContain("Images are identical");
    const info = JSON.parse(judge("qemu-img", "info", "--output=json", "-f", name, file)) as Record<string, unknown>;
    expect(info).toMatchObject({ format: name, "virtual-size": statSync(plain).size });
  });

  test("is the same when QEMU has written it anew", async () => {
    const { file, plain } = await written(format);
    const converted = join(temporaryDirectory(), "converted");
    judge("qemu-img", "convert", "-f", name, "-O", "raw", file, converted);
    expect(readFileSync(converted).equals(readFileSync(plain))).toBe(true);
  });
});

test("a qcow2 disk has nothing wrong with its tables", async () => {
  const { file } = await written("qcow2");
  const check = JSON.parse(judge("qemu-img", "check", "--output=json", file)) as Record<string, number>;
  expect(check).toMatchObject({ "check-errors": 0 });
  expect(check["leaks"] ?? 0).toBe(0);
  expect(check["corruptions"] ?? 0).toBe(0);
  expect(check["allocated-clusters"]).toBeGreaterThan(0);
});

test("a VMDK is stream-optimized, has nothing wrong with it and leaves zeros out", async () => {
  const { file, plain } = await written("vmdk");
  expect(JSON.parse(judge("qemu-img", "info", "--output=json", file))).toMatchObject({
    "format-specific": { data: { "create-type": "streamOptimized" } },
  });
  expect(judge("qemu-img", "check", file)).toContain("No errors were found");
  expect(statSync(file).size).toBeLessThan(statSync(plain).size / 2);
});

test("a raw disk takes no room on the host's disk for what is zero", async () => {
  const { file } = await written("raw");
  expect(statSync(file).blocks * 512).toBeLessThan(statSync(file).size - MIB);
});

test("a VHD has a whole number of MiBs and its footer, as Azure wants it", async () => {
  const { file, plain } = await written("vhd");
  const size = statSync(file).size - 512;
  expect(size).toBe(statSync(plain).size);
  expect(size % MIB).toBe(0);
  const footer = readFileSync(file).subarray(size);
  expect(footer.toString("latin1", 0, 8)).toBe("conectix");
  expect(footer.readUInt32BE(60)).toBe(2);
  const sum = footer.reduce((total, byte, at) => (at >= 64 && at < 68 ? total : total + byte), 0);
  expect(footer.readUInt32BE(64)).toBe(~sum >>> 0);
});

describe("an archive for Compute Engine", () => {
  test("unpacks with GNU tar to disk.raw of whole GiBs", async () => {
    const { file, plain } = await written("gce-tar");
    const target = temporaryDirectory();
    const listing = judge("tar", "--list", "--verbose", "--numeric-owner", "-zf", file);
    expect(listing).toMatch(/^-rw-r--r-- 0\/0 +1073741824 1970-01-01 \d\d:\d\d disk\.raw\n$/);
    judge("tar", "-xSzf", file, "-C", target);
    const unpacked = join(target, "disk.raw");
    expect(statSync(unpacked).size).toBe(GIB);
    expect(judge("qemu-img", "compare", "-f", "raw", "-F", "raw", unpacked, plain)).toContain("identical");
    expect(judge("sgdisk", "--verify", unpacked)).toContain("No problems found");
    expect(statSync(unpacked).blocks * 512).toBeLessThan(16 * MIB);
  });

  test("is in the old GNU form and whole for gzip", async () => {
    const { file } = await written("gce-tar");
    judge("gzip", "--test", file);
    const header = execFileSync("sh", ["-c", `gzip -dc "$0" | head -c 512`, file]);
    expect(header.toString("latin1", 0, 9)).toBe("disk.raw\0");
    expect(header.toString("latin1", 156, 157)).toBe("S");
    expect(header.toString("latin1", 257, 265)).toBe("ustar  \0");
  });
});

describe.each(DISK_FORMATS)("as %s", (format) => {
  test("the same image gives the same bytes, whatever the time zone, umask and locale", async () => {
    const { file } = await written(format);
    vi.stubEnv("TZ", "Pacific/Auckland");
    vi.stubEnv("LC_ALL", "tr_TR.UTF-8");
    const before = process.umask(0o077);
    try {
      const { file: again } = await written(format);
      expect(readFileSync(again).equals(readFileSync(file))).toBe(true);
    } finally {
      process.umask(before);
    }
  });

  test("it can be inspected", async () => {
    const { file } = await written(format);
    const description = await inspectDisk(file);
    expect(description).toMatchObject({ format, size: statSync(file).size, config: image.config });
    expect(description.files.map(({ path }) => path)).toContain("/rootfs/zeros");
  });

  test("cut short or damaged, it is refused with a sentence, never misread or fallen over", async () => {
    const { file } = await written(format);
    const whole = readFileSync(file);
    // Where the tables are: the data has its own checks.
    const place = fc.oneof(
      fc.nat(8191),
      fc.nat(65_535),
      fc.nat(whole.length - 1),
      fc.nat(4095).map((back) => whole.length - 1 - back),
    );
    await fc.assert(
      fc.asyncProperty(place, fc.uint8Array({ minLength: 1, maxLength: 8 }), fc.boolean(), async (at, noise, cut) => {
        const broken = Buffer.from(whole);
        broken.set(noise.subarray(0, broken.length - at), at);
        writeFileSync(file, broken);
        if (cut) truncateSync(file, at);
        try {
          await inspectDisk(file);
        } catch (error) {
          expect((error as Error).name, (error as Error).stack).toBe("VisibleError");
        }
      }),
      { numRuns: format === "gce-tar" ? 10 : 60 },
    );
  });
});

test("the compressor gives the bytes that it gave elsewhere", () => {
  const sample = Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i % 1000 < 300 ? 0 : (i * i) >>> 7)));
  // Of zlib 1.2.13 and of Chromium's 1.3.1. When Node.js makes something else, an image no longer gives the same bytes on any machine.
  expect(sha256(deflateRawSync(sample, DEFLATE))).toBe(
    "acb116a42a7efd6045a804148a937b001dd7999b0a8cb5edad05765fecdd5df0",
  );
});
