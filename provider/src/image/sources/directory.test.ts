import { chmodSync, chownSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { sourceContext } from "../testing/context.js";
import { readDirectory } from "./directory.js";

describe("modes and owners in a folder", () => {
  test("of the builder's own files do not tell the umask", async () => {
    const context = await sourceContext();
    mkdirSync(join(context.baseDir, "root"));
    writeFileSync(join(context.baseDir, "root/file"), "");
    chmodSync(join(context.baseDir, "root/file"), 0o664);

    const { entries } = await readDirectory("root", context);

    expect(entries.get("file")).toMatchObject({ mode: 0o644, uid: 0, gid: 0 });
  });

  // Only root gives files away.
  test.runIf(process.getuid?.() === 0)("that belong to others are kept, as a daemon's group has them", async () => {
    const context = await sourceContext();
    const cache = join(context.baseDir, "root/cache");
    mkdirSync(cache, { recursive: true });
    chownSync(cache, 0, 102);
    chmodSync(cache, 0o2775);

    const { entries } = await readDirectory("root", context);

    expect(entries.get("cache")).toMatchObject({ mode: 0o2775, uid: 0, gid: 102 });
  });
});
