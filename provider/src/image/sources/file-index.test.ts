import { describe, expect, test } from "vitest";
import { sourceContext } from "../testing/context.js";
import { FileIndex } from "./file-index.js";

describe("the index of a folder's files", () => {
  test("remembers a digest for as long as the file is the same, and settled when it was looked at", async () => {
    const { cache } = await sourceContext();
    const now = BigInt(Date.now()) * 1_000_000n;
    const settled = `1:2:3:${now - 10_000_000_000n}:${now - 10_000_000_000n}`;
    const justChanged = `1:2:3:${now - 10_000_000_000n}:${now}`;
    const first = await FileIndex.open("folder", cache);
    first.set("/settled", settled, "a");
    first.set("/just-changed", justChanged, "b");
    await first.save();

    const second = await FileIndex.open("folder", cache);
    expect(second.find("/settled", settled)).toBe("a");
    expect(second.find("/settled", justChanged)).toBeUndefined();
    expect(second.find("/just-changed", justChanged)).toBeUndefined();
    expect((await FileIndex.open("other folder", cache)).find("/settled", settled)).toBeUndefined();
  });
});
