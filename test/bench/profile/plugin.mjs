// Compiles the plugin for QEMU.
import path from "node:path";
import { inRoot } from "../../../scripts/lib/paths.mjs";
import { run } from "../../../scripts/lib/process.mjs";

/** @returns {Promise<string>} Its path, in `folder`. */
export async function buildPlugin(folder) {
  const plugin = path.join(folder, "plugin.so");
  const source = inRoot("test", "bench", "profile", "plugin.c");
  await run("gcc", ["-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", plugin, source]);
  return plugin;
}
