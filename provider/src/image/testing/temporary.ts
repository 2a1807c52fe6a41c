import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** A folder for several tests, until it is removed. */
export function keptDirectory(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), "unikernel-test-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** A folder that is gone when the running test ends. */
export function temporaryDirectory(): string {
  const { path, remove } = keptDirectory();
  onTestFinished(remove);
  return path;
}
