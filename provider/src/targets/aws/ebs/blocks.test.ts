import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BLOCK_SIZE, BlockDigests, dataBlocks, sha256 } from "./blocks.js";

describe("the blocks that may hold data", () => {
  test.each<[string, { offset: number; length: number }[], number[]]>([
    ["none", [], []],
    ["an empty range", [{ offset: 100, length: 0 }], []],
    ["one byte", [{ offset: BLOCK_SIZE, length: 1 }], [1]],
    ["a range that ends with a block", [{ offset: 0, length: BLOCK_SIZE }], [0]],
    ["a range across a border", [{ offset: BLOCK_SIZE - 1, length: 2 }], [0, 1]],
    [
      "two ranges in one block",
      [
        { offset: 0, length: 5 },
        { offset: 512, length: BLOCK_SIZE },
      ],
      [0, 1],
    ],
  ])("%s", (_what, extents, blocks) => {
    expect([...dataBlocks(extents)]).toEqual(blocks);
  });
});

describe("block digests", () => {
  const digestOf = (index: number): Buffer => sha256(Buffer.from(String(index)));

  test("survive being text", () => {
    const indices = fc.uniqueArray(fc.nat({ max: 0xffffffff }), { maxLength: 50 });
    fc.assert(
      fc.property(indices, fc.nat({ max: 20 }), (chosen, run) => {
        const digests = new BlockDigests();
        const all = new Set([...chosen, ...Array.from({ length: run }, (_, i) => i + 7)]);
        for (const index of all) digests.set(index, digestOf(index));
        const read = BlockDigests.parse(digests.toString());
        expect(read.indices()).toEqual([...all].sort((a, b) => a - b));
        for (const index of all) {
          expect(read.matches(index, digestOf(index))).toBe(true);
          expect(read.matches(index, digestOf(index + 1))).toBe(false);
        }
      }),
    );
  });

  test("take about 22 characters a block", () => {
    const digests = new BlockDigests();
    for (let index = 0; index < 1000; index++) digests.set(index, digestOf(index));
    expect(digests.toString().length).toBeLessThan(22 * 1000);
  });

  test("that are cut off are not taken for whole", () => {
    const digests = new BlockDigests();
    digests.set(3, digestOf(3));
    const bytes = Buffer.from(digests.toString(), "base64");
    expect(() => BlockDigests.parse(bytes.subarray(0, 20).toString("base64"))).toThrow(RangeError);
  });
});
