import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Cache } from "../cache.js";
import { ContentReader } from "../content.js";
import { StreamSource } from "../tar/bytes.js";
import { readTar } from "../tar/read.js";
import { compress, type Compression, tar } from "../testing/oci.js";
import { temporaryDirectory } from "../testing/temporary.js";
import { directory, type Directory, walk } from "../tree.js";
import { applyLayer } from "./apply.js";
import { unpackLayer } from "./unpack.js";

/** Lays layers over each other. */
async function apply(layers: Buffer[], folder = temporaryDirectory()): Promise<Directory> {
  const cache = await Cache.open(join(folder, "cache"));
  const root = directory();
  for (const [number, layer] of layers.entries()) {
    const path = join(folder, `layer${number}`);
    writeFileSync(path, layer);
    const sha256 = createHash("sha256").update(layer).digest("hex");
    const unpacked = await unpackLayer(
      { sha256, name: `layer ${number}`, path, offset: 0, length: layer.length },
      cache,
    );
    applyLayer(root, unpacked, number, `layer ${number}`);
  }
  return root;
}

/** The files of a tree with their contents; `/` at the end marks a directory, `->` a symlink. */
function contents(root: Directory): Record<string, string> {
  const reader = new ContentReader();
  const result: Record<string, string> = {};
  for (const [path, inode] of walk(root)) {
    if (inode.type === "directory") result[`${path}/`] = "";
    else if (inode.type === "symlink") result[path] = `-> ${inode.target}`;
    else if (inode.type !== "file") result[path] = inode.type;
    else {
      const data = Buffer.alloc(inode.size);
      reader.read(inode.content, 0, data);
      result[path] = data.toString("latin1");
    }
  }
  reader.close();
  return result;
}

const dir = (name: string) => ({ name, type: "directory" as const });
const text = (name: string, content: string) => ({ name, content });
const link = (name: string, linkname: string) => ({ name, type: "symlink" as const, linkname });
const hardLink = (name: string, linkname: string) => ({ name, type: "link" as const, linkname });

describe("layers", () => {
  test("lie over each other: files replace files, directories are merged, whiteouts hide", async () => {
    const root = await apply([
      await tar([
        dir("etc"),
        text("etc/kept", "1"),
        text("etc/changed", "old"),
        text("etc/gone", "x"),
        dir("data"),
        text("data/old", "o"),
        dir("removed"),
        text("removed/file", "r"),
        text("becomes-directory", "f"),
      ]),
      await tar([
        text("etc/changed", "new"),
        text("etc/.wh.gone", ""),
        text("data/new", "n"),
        text("data/.wh..wh..opq", ""),
        text(".wh.removed", ""),
        dir("becomes-directory"),
        text("becomes-directory/inside", "i"),
      ]),
    ]);
    expect(contents(root)).toEqual({
      "/becomes-directory/": "",
      "/becomes-directory/inside": "i",
      "/data/": "",
      "/data/new": "n",
      "/etc/": "",
      "/etc/changed": "new",
      "/etc/kept": "1",
    });
  });

  test("a whiteout hides lower layers only, wherever it stands", async () => {
    const root = await apply([
      await tar([dir("d"), text("d/a", "lower"), text("d/b", "lower")]),
      await tar([text("d/a", "upper"), text("d/.wh.a", ""), text("d/.wh.b", "")]),
    ]);
    expect(contents(root)).toEqual({ "/d/": "", "/d/a": "upper" });
  });

  test("hard links are one inode, and keep the content of a lower layer", async () => {
    const root = await apply([
      await tar([text("one", "content"), hardLink("two", "one")]),
      await tar([hardLink("three", "./two")]),
    ]);
    expect(root.entries.get("two")).toBe(root.entries.get("one"));
    expect(root.entries.get("three")).toBe(root.entries.get("one"));
    expect(contents(root)).toEqual({ "/one": "content", "/two": "content", "/three": "content" });
  });

  test("entries go through symlinks of lower layers, inside the root", async () => {
    const root = await apply([
      await tar([
        dir("usr"),
        dir("usr/lib"),
        link("lib", "usr/lib"),
        link("escape", "../../../../usr"),
        dir("opt"),
        link("opt/absolute", "/usr/lib"),
      ]),
      await tar([
        text("lib/new", "n"),
        text("escape/also", "a"),
        text("opt/absolute/third", "t"),
        text("missing/parents/file", "f"),
      ]),
    ]);
    expect(contents(root)).toEqual({
      "/escape": "-> ../../../../usr",
      "/lib": "-> usr/lib",
      "/missing/": "",
      "/missing/parents/": "",
      "/missing/parents/file": "f",
      "/opt/": "",
      "/opt/absolute": "-> /usr/lib",
      "/usr/": "",
      "/usr/also": "a",
      "/usr/lib/": "",
      "/usr/lib/new": "n",
      "/usr/lib/third": "t",
    });
  });

  test.each(["../outside", "a/../../outside", "/../outside"])(
    "the path %s, which climbs out, is refused",
    async (name) => {
      await expect(apply([await tar([text(name, "x")])])).rejects.toThrow(
        `holds the path "${name}", which climbs out of the root directory`,
      );
      await expect(apply([await tar([hardLink("x", name)])])).rejects.toThrow(
        `holds the hard link "x" to "${name}", which climbs out`,
      );
    },
  );

  test("a hard link to nothing is refused", async () => {
    await expect(apply([await tar([hardLink("x", "nowhere")])])).rejects.toThrow(
      'holds the hard link "x" to "nowhere", which is not there',
    );
  });

  test("owners, modes, times, devices and long names are kept", async () => {
    const long = `${"long/".repeat(60)}${"n".repeat(200)}`;
    const root = await apply([
      await tar([
        { name: "f", content: "x", gid: 70_000, mode: 0o4750, pax: { uid: "3000000", mtime: "1234567890.123456789" } },
        { name: "null", type: "character-device", devmajor: 1, devminor: 3, mode: 0o666 },
        { name: "pipe", type: "fifo" },
        text(long, "deep"),
        { ...text("unicode-é", "u") },
      ]),
    ]);
    expect(root.entries.get("f")).toMatchObject({
      uid: 3_000_000,
      gid: 70_000,
      mode: 0o4750,
      mtime: 1_234_567_890,
      mtimeNs: 123_456_789,
    });
    expect(root.entries.get("null")).toMatchObject({ type: "character device", major: 1, minor: 3 });
    expect(root.entries.get("pipe")?.type).toBe("fifo");
    expect(contents(root)[`/${long}`]).toBe("deep");
    expect(contents(root)[`/${Buffer.from("unicode-é").toString("latin1")}`]).toBe("u");
  });

  test.each<Compression>(["none", "gzip", "zstd"])("can be compressed with %s", async (compression) => {
    const data = Buffer.alloc(3_000_000, "some content ");
    const layer = compress(await tar([{ name: "f", content: data }]), compression);
    expect(contents(await apply([layer]))).toEqual({ "/f": data.toString() });
  });

  test.each([
    "--format=gnu",
    "--format=pax --sparse-version=0.0",
    "--format=pax --sparse-version=0.1",
    "--format=pax --sparse-version=1.0",
  ])("GNU tar's sparse files are whole (%s)", async (flags) => {
    const folder = temporaryDirectory();
    const data = Buffer.alloc(5_000_000);
    for (let part = 0; part < 40; part++) data.write(`part ${part}`, part * 120_000);
    writeFileSync(join(folder, "sparse"), data);
    execFileSync("fallocate", ["--dig-holes", join(folder, "sparse")]);
    execFileSync("tar", ["-C", folder, "--sparse", ...flags.split(" "), "-cf", join(folder, "archive.tar"), "sparse"]);
    const archive = readFileSync(join(folder, "archive.tar"));
    expect(archive.length).toBeLessThan(1_000_000);
    expect(contents(await apply([archive]))["/sparse"] === data.toString("latin1")).toBe(true);
  });

  test.each(["gnu", "pax"])("GNU tar's names are kept (%s)", async (format) => {
    const folder = temporaryDirectory();
    const long = "d".repeat(120);
    mkdirSync(join(folder, "in", long), { recursive: true });
    writeFileSync(join(folder, "in", long, "file"), "x");
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/in/`), Buffer.from([0xff, 0xfe])]), "not UTF-8");
    execFileSync("tar", ["-C", join(folder, "in"), `--format=${format}`, "-cf", join(folder, "archive.tar"), "."]);
    const root = await apply([readFileSync(join(folder, "archive.tar"))]);
    expect(contents(root)).toEqual({ [`/${long}/`]: "", [`/${long}/file`]: "x", "/\xff\xfe": "not UTF-8" });
  });

  test("extended attributes are kept as bytes, but for those that Linux does not have", async () => {
    const pax = { "SCHILY.xattr.user.binary": "REPLACED", "SCHILY.xattr.com.apple.provenance": "x" };
    const archive = await tar([{ name: "f", content: "x", pax }]);
    const value = Buffer.from([1, 0, 10, 2, 0xff, 0x80, 0, 61]);
    value.copy(archive, archive.indexOf("REPLACED"));
    const root = await apply([archive]);
    expect(root.entries.get("f")?.xattrs).toEqual(new Map([["user.binary", value]]));
  });

  test("an archive that is cut short is refused", async () => {
    const archive = await tar([text("a", "x".repeat(10_000))]);
    for (const length of [100, 600, 5000]) {
      await expect(apply([archive.subarray(0, length)])).rejects.toThrow("The archive layer 0 is cut short.");
    }
    await expect(apply([compress(archive, "gzip").subarray(0, 50)])).rejects.toThrow(
      "The layer layer 0 is damaged or cut short: it cannot be decompressed",
    );
    await expect(apply([compress(archive, "zstd").subarray(0, 40)])).rejects.toThrow(/cut short/);
    await expect(apply([Buffer.alloc(2048, "no archive")])).rejects.toThrow("is damaged or is not a tar archive");
  });

  test("noise in an archive is refused with a sentence or read as other content, never fallen over", async () => {
    const archive = await tar([
      dir("d"),
      text("d/a", "x".repeat(700)),
      link("l", "d/a"),
      hardLink("h", "d/a"),
      text("n".repeat(150), "long"),
    ]);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(archive.length - 1),
        fc.uint8Array({ minLength: 1, maxLength: 20 }),
        async (position, noise) => {
          const broken = Buffer.from(archive);
          broken.set(noise.subarray(0, archive.length - position), position);
          try {
            for await (const entry of readTar(new StreamSource(Readable.from([broken])), "test")) {
              for await (const chunk of entry.content()) expect(chunk.length).toBeGreaterThan(0);
            }
          } catch (error) {
            expect((error as Error).name).toBe("VisibleError");
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});
