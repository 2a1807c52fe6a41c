import { defineConfig } from "vitest/config";
import { PATIENCE_MS } from "../support/limits.js";

// A tier of its own: what it runs takes many minutes to build.
export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ["**/*.test.ts"],
    testTimeout: 600_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: PATIENCE_MS, interval: 20 } },
  },
});
