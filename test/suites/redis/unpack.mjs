// Unpacks the tests of redis' source package into the working directory.
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fetchSource } from "../../../scripts/tools/apt.mjs";
import { run } from "../../../scripts/lib/process.mjs";
import { main } from "../../../scripts/lib/terminal.mjs";

await main(async () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), "unikernel-redis-"));
  try {
    const archive = await fetchSource("redis", folder);
    await run("tar", ["--extract", "--strip-components=1", "--file", archive, "--directory", folder], { quiet: true });
    for (const name of ["tests", "redis.conf"]) cpSync(path.join(folder, name), name, { recursive: true });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
