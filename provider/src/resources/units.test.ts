import { describe, expect, test } from "vitest";
import { parseDuration, parseSize } from "./units.js";

describe("a size", () => {
  test.each([
    ["128 MiB", 134_217_728],
    ["1.5GiB", 1_610_612_736],
    ["64 MB", 64_000_000],
    [" 512 kib ", 524_288],
    ["100 B", 100],
    [4096, 4096],
  ])("%j is %i bytes", (text, bytes) => expect(parseSize(text)).toBe(bytes));

  test.each(["", "128", "MiB", "12 XiB", "-1 MiB", "1 2 MiB", Number.NaN, -1, Number.POSITIVE_INFINITY])(
    "%j is none",
    (text) => {
      expect(parseSize(text)).toBeUndefined();
    },
  );
});

describe("a duration", () => {
  test.each([
    ["500 ms", 500],
    ["90 s", 90_000],
    ["2min", 120_000],
    ["1 h", 3_600_000],
    [2.5, 2500],
    [0, 0],
  ])("%j is %i milliseconds", (text, ms) => expect(parseDuration(text)).toBe(ms));

  test.each(["soon", "90", "1 d", -1])("%j is none", (text) => expect(parseDuration(text)).toBeUndefined());
});
