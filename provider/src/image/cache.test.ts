import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Cache, writeSynced } from "./cache.js";
import { temporaryDirectory } from "./testing/temporary.js";

describe("the cache", () => {
  test("keeps entries, and none of a step that failed", async () => {
    const dir = temporaryDirectory();
    const cache = await Cache.open(dir);
    await cache.add("disks", "whole", async (path) => {
      mkdirSync(path);
      await writeSynced(join(path, "part"), "content");
    });
    const failing = cache.add("disks", "broken", async (path) => {
      mkdirSync(path);
      await writeSynced(join(path, "part"), "content");
      throw new Error("on purpose");
    });
    await expect(failing).rejects.toThrow("on purpose");
    const other = await Cache.open(dir);
    expect(readFileSync(join((await other.find("disks", "whole")) ?? "", "part"), "utf8")).toBe("content");
    expect(await other.find("disks", "broken")).toBeUndefined();
    expect(readdirSync(join(cache.root, "tmp"))).toEqual([]);
  });

  test("takes the same entry from two at once", async () => {
    const cache = await Cache.open(temporaryDirectory());
    const add = (): Promise<void> =>
      cache.add("layers", "same", async (path) => {
        mkdirSync(path);
        await writeSynced(join(path, "part"), "content");
      });
    await Promise.all([add(), add(), add()]);
    expect(readdirSync(cache.path("layers", "same"))).toEqual(["part"]);
    expect(readdirSync(join(cache.root, "tmp"))).toEqual([]);
  });

  test("removes what a dead process left, and not what a living one is writing", async () => {
    const dir = temporaryDirectory();
    const cache = await Cache.open(dir);
    let living = "";
    await cache.add("blobs", "slow", async (path) => {
      await writeSynced(path, "content");
      living = path;
      const [namespace = ""] = path.split("/").at(-1)?.split(".") ?? [];
      const child = spawn("true");
      await new Promise((resolve) => child.on("exit", resolve));
      const dead = join(cache.root, "tmp", `${namespace}.${child.pid}.abc`);
      mkdirSync(dead);
      writeFileSync(join(dead, "part"), "x");
      const elsewhere = join(cache.root, "tmp", `another_machine.${child.pid}.abc`);
      writeFileSync(elsewhere, "x");
      await Cache.open(dir);
      expect(existsSync(dead)).toBe(false);
      expect(existsSync(living)).toBe(true);
      expect(existsSync(elsewhere)).toBe(true);
      utimesSync(elsewhere, 0, 0);
      await Cache.open(dir);
      expect(existsSync(elsewhere)).toBe(false);
    });
    expect(await cache.find("blobs", "slow")).toBe(cache.path("blobs", "slow"));
  });

  test("is pruned: least recently used first, and nothing that is in use", async () => {
    const cache = await Cache.open(temporaryDirectory());
    const names = ["a", "b", "c", "d"];
    for (const [index, name] of names.entries()) {
      await cache.add("blobs", name, (path) => writeSynced(path, Buffer.alloc(1000)));
      const used = new Date(Date.now() - (10 - index) * 60_000);
      utimesSync(cache.path("blobs", name), used, used);
    }
    await cache.find("blobs", "a");
    await cache.prune({ maxSize: 2000, inUseMs: 8.5 * 60_000 });
    expect(readdirSync(join(cache.root, "blobs")).sort()).toEqual(["a", "c", "d"]);
    await cache.add("blobs", "e", (path) => writeSynced(path, Buffer.alloc(1000)));
    await cache.prune({ maxSize: 2000, inUseMs: 0 });
    expect(readdirSync(join(cache.root, "blobs")).sort()).toEqual(["a", "e"]);
  });

  test("that cannot be made is named in a sentence", async () => {
    const file = join(temporaryDirectory(), "file");
    writeFileSync(file, "");
    await expect(Cache.open(join(file, "cache"))).rejects.toThrow(
      /^The cache folder ".*" cannot be made \(ENOTDIR\)\. Set XDG_CACHE_HOME/,
    );
  });
});
