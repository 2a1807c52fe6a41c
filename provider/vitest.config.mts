import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts"],
    // The kernel may be building beside them.
    testTimeout: 120_000,
    // Vitest would leave one of two CPUs free, and these tests wait for files and for services of their own.
    maxWorkers: 2,
    minWorkers: 1,
  },
});
