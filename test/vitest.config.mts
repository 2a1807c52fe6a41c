import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ["**/*.test.ts"],
    globalSetup: ["support/prepare.ts"],
    // Guests run in QEMU, at a fraction of the machine's speed, and the machine may be busy with other things.
    testTimeout: 600_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 60_000, interval: 20 } },
    // Each suite runs guests of its own; two at a time is what a small machine bears.
    maxWorkers: 2,
    minWorkers: 1,
  },
});
