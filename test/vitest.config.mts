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
    // Each suite runs guests of its own; three at a time keep the CPUs of a small machine busy, for some wait for others.
    maxWorkers: 3,
    minWorkers: 1,
  },
});
