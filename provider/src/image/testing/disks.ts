import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import type { BootDisk } from "../disk/index.js";

/** Writes what a disk reads as to a file. */
export async function materialize(disk: BootDisk, path: string): Promise<void> {
  const file = openSync(path, "w");
  try {
    ftruncateSync(file, disk.size);
    for (const { offset, length } of disk.extents) {
      writeSync(file, await disk.read(offset, length), 0, length, offset);
    }
  } finally {
    closeSync(file);
  }
}

/** What a program says of a disk; throws with all of it when the program does not exit with 0. */
export function judge(program: string, ...args: string[]): string {
  return execFileSync(program, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, LC_ALL: "C" },
  });
}

/** A partition as `sfdisk --json` tells it, in sectors. */
export interface ListedPartition {
  start: number;
  size: number;
  type: string;
  uuid: string;
  name: string;
  attrs?: string;
}

export function partitions(path: string): { id: string; partitions: ListedPartition[] } {
  const { partitiontable } = JSON.parse(judge("sfdisk", "--json", path)) as {
    partitiontable: { id: string; partitions: ListedPartition[] };
  };
  return partitiontable;
}

export function sha256(data: Buffer): string {
  return createHash("sha256").update(data).digest("hex");
}
