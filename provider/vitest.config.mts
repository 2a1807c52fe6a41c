import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts"],
    // The kernel may be building beside them.
    testTimeout: 120_000,
  },
});
