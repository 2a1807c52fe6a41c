import { describe, expect, test } from "vitest";
import { imageResource } from "./image.js";
import { testContext } from "./testing/context.js";
import { UNKNOWN } from "./values.js";

const check = (inputs: Record<string, unknown>, change = {}): ReturnType<typeof imageResource.check> =>
  imageResource.check({}, inputs, testContext(change));

describe("a source that is wrong is told in one sentence", () => {
  test.each([
    [{}, '"source" is missing.'],
    [{ source: "web:1.2" }, '"source" must be an object, but is a text.'],
    [
      { source: {} },
      '"source" must have exactly one of "container", "binary", "directory" and "bundle", but has none of them.',
    ],
    [{ source: { container: "a", binary: "b" } }, /but has "container" and "binary"\.$/],
    [{ source: { contaner: "a" } }, 'Source has no input "source.contaner". Did you mean "container"?'],
    [{ source: { directory: "." } }, '"source.command" is missing: a source with "directory" needs it.'],
    [{ source: { bundle: "main.ts" } }, '"source.runtime" is missing: a source with "bundle" needs it.'],
    [{ source: { binary: "server", command: ["x"] } }, '"source.command" has no meaning in a source with "binary".'],
    [{ source: { container: 5 } }, '"source.container" must be a text, but is a number.'],
  ])("%o", async (inputs, sentence) => {
    const { failures } = await check(inputs);

    expect(failures[0]?.reason).toEqual(typeof sentence === "string" ? sentence : expect.stringMatching(sentence));
  });
});

test("a size of a tmpfs that is none is told with its place", async () => {
  const news = { source: { directory: ".", command: ["/x"] }, tmpfs: [{ path: "/run", size: "lots" }] };
  const { failures } = await check(news);

  expect(failures[0]?.reason).toBe('"lots" is no size for the tmpfs at "/run": write "64 MiB", or a number of bytes.');
});

test("a build is put off while an input is unknown, and the line says which", async () => {
  const context = testContext();
  const news = { source: { container: UNKNOWN }, env: { A: UNKNOWN } };
  const { inputs, failures } = await imageResource.check({}, news, context);

  expect(failures).toEqual([]);
  expect(inputs["digest"]).toBe(UNKNOWN);
  expect(context.said).toEqual(["not built yet: source.container, env.A will be known only during the update"]);
});

test("absolute paths become relative to the project", async () => {
  const { inputs } = await check({ source: { container: "/nowhere/image" }, buildOnPreview: false });
  expect(inputs["source"]).toEqual({ container: "./image" });

  const outside = await check({ source: { directory: "/elsewhere", command: ["/x"] }, buildOnPreview: false });
  expect(outside.inputs["source"]).toEqual({ directory: "../elsewhere", command: ["/x"] });
});
