import { configDefaults, defineConfig } from "vitest/config";
import { PATIENCE_MS } from "./support/limits.js";

export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ["**/*.test.ts"],
    // They need what takes many minutes to build, and have a command of their own.
    exclude: [...configDefaults.exclude, "plugins/**"],
    globalSetup: ["support/prepare.ts"],
    // Guests run in QEMU, at a fraction of the machine's speed, and the machine may be busy with other things.
    testTimeout: 600_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: PATIENCE_MS, interval: 20 } },
    // Each suite runs guests of its own; four at a time keep two CPUs busy, for many wait: for each other, for the end of a time, for an engine.
    maxWorkers: 4,
    minWorkers: 1,
  },
});
