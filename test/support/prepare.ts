import { mkdtempSync, rmSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import type { TestProject } from "vitest/node";
import { probeAccelerator } from "../../provider/src/targets/local/accelerator.js";
import { findQemu } from "../../provider/src/targets/local/qemu.js";

declare module "vitest" {
  export interface ProvidedContext {
    /** A folder with what was found out about this computer's accelerators. */
    accelerators: string;
  }
}

/** Finds out once for all test files which accelerator works. */
export default async function prepare(project: TestProject): Promise<() => void> {
  const cache = mkdtempSync(path.join(os.tmpdir(), "unikernel-accelerators-"));
  await probeAccelerator(await findQemu("x86_64"), cache);
  project.provide("accelerators", path.join(cache, "v1/accelerators"));
  return () => rmSync(cache, { recursive: true, force: true });
}
