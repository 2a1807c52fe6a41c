import { describe, expect, test } from "vitest";
import { hasUnknown, sameData, UNKNOWN, unknownPlaces } from "./values.js";

test("unknown values are found wherever they are, and named as a person would", () => {
  const inputs = { source: { container: UNKNOWN }, env: { A: "1", B: UNKNOWN }, args: ["x", UNKNOWN], user: undefined };

  expect(unknownPlaces(inputs)).toEqual(["source.container", "env.B", "args[1]"]);
  expect(hasUnknown(inputs)).toBe(true);
  expect(hasUnknown({ env: { A: "1" } })).toBe(false);
});

describe("the same data", () => {
  test.each([
    [{ a: 1, b: [1, 2] }, { b: [1, 2], a: 1 }, true],
    [{ a: 1, b: undefined }, { a: 1 }, true],
    [{ a: 1 }, { a: 1, b: 2 }, false],
    [[1, 2], [2, 1], false],
    ["1", 1, false],
    [undefined, null, true],
    [UNKNOWN, UNKNOWN, false],
  ])("%o and %o: %s", (a, b, same) => expect(sameData(a, b)).toBe(same));
});
