import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { judge, sha256 } from "../testing/disks.js";
import { temporaryDirectory } from "../testing/temporary.js";
import { packKernel } from "./kernel-file.js";

/** Some of it repeats, some does not. */
const SAMPLE = Buffer.from(
  Array.from({ length: 300_000 }, (_, i) => (i % 1000 < 300 ? 0 : Math.imul(i, Math.floor(i / 300)) >>> 7)),
);

test("a packed kernel is whole for gzip and zlib, and much smaller", () => {
  const packed = packKernel(SAMPLE);
  const file = join(temporaryDirectory(), "kernel.gz");
  writeFileSync(file, packed);
  judge("gzip", "--test", file);
  expect(gunzipSync(packed).equals(SAMPLE)).toBe(true);
  expect(packed.length).toBeLessThan(SAMPLE.length * 0.8);
});

test("another kernel is not taken for the one before", () => {
  const other = Buffer.from(SAMPLE);
  other.writeUInt8(1, 5);
  packKernel(SAMPLE);
  expect(gunzipSync(packKernel(other)).equals(other)).toBe(true);
});

test("the compressor gives the bytes that it gave elsewhere", () => {
  // When fflate makes something else, an image no longer gives the same bytes on any machine.
  expect(sha256(packKernel(SAMPLE))).toBe("670b45db1ca50457bafb7d1eafde4cc377ee0f9bd67d514fc68a0e79fad13b7e");
});
