import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ["**/*.test.ts"],
    // Guests run in QEMU, at a fraction of the machine's speed.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // Each suite runs guests of its own; two at a time is what a small machine bears.
    maxWorkers: 2,
    minWorkers: 1,
  },
});
