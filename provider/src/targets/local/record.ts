import { readdir, readFile, rename, writeFile } from "node:fs/promises";
import * as path from "node:path";
import { instancePaths } from "./paths.js";
import type { PortMapping } from "./ports.js";

/** Whose an instance is. Those that older versions have started do not say. */
export interface Ownership {
  /** Tells an instance from others that had, or will have, its id. */
  incarnation: string;
  /** Who made it, as a person knows them: `"web" of the stack acme/shop/dev`. Unknown is anybody. */
  owner?: string | undefined;
}

/** What is kept beside an instance for whoever looks after it next. It holds no value of the environment. */
export interface InstanceRecord extends Partial<Ownership> {
  id: string;
  /** Digest of the image that was started. */
  image: string;
  ports: PortMapping[];
  /** Path of the QMP socket. */
  qmp: string;
}

/** Whether this record is of another instance than the one of this incarnation. Older records are of whichever has their id. */
export function isOfAnother(record: InstanceRecord | undefined, incarnation: string | undefined): boolean {
  return record?.incarnation !== undefined && record.incarnation !== incarnation;
}

/** Writes the record in one step. */
export async function writeRecord(file: string, record: InstanceRecord): Promise<void> {
  const draft = `${file}.${process.pid}`;
  await writeFile(draft, JSON.stringify(record, undefined, 2), { mode: 0o600 });
  await rename(draft, file);
}

/** The record, when there is one. */
export async function readRecord(file: string): Promise<InstanceRecord | undefined> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as InstanceRecord;
  } catch {
    return undefined;
  }
}

/** Every instance that this machine keeps. */
export async function listRecords(stateDir: string): Promise<InstanceRecord[]> {
  const ids = await readdir(path.join(stateDir, "instances")).catch(() => []);
  const records = await Promise.all(ids.map((id) => readRecord(instancePaths(stateDir, id).record)));
  return records.filter((record) => record !== undefined);
}
