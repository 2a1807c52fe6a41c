// Unpacks the tests of redis' source package into the working directory.
import { cpSync } from "node:fs";
import path from "node:path";
import { withSource } from "../../../scripts/tools/apt.mjs";
import { main } from "../../../scripts/lib/terminal.mjs";

await main(() =>
  withSource("redis", (folder) => {
    for (const name of ["tests", "redis.conf"]) cpSync(path.join(folder, name), name, { recursive: true });
  }),
);
