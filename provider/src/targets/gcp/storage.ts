/**
 * The requests to Cloud Storage's JSON API that an upload takes.
 *
 * @see https://cloud.google.com/storage/docs/json_api/v1/objects
 * @see https://cloud.google.com/storage/docs/performing-resumable-uploads
 */
import type { Response } from "undici";
import type { Connection } from "./connection.js";
import { explain, isTransient, StorageError } from "./errors.js";
import { retry } from "../retry.js";

/** What Cloud Storage says of an object. */
export interface StoredObject {
  bucket: string;
  name: string;
  /** Bytes. */
  size: number;
  /** MD5 of its content, in base64. */
  md5: string;
  metadata: { [name: string]: string };
}

/** An object to be, or that is. */
export interface ObjectName {
  bucket: string;
  name: string;
}

/** How far the service has got with an upload: it is whole, or goes on at a byte. */
export type Arrived = { object: StoredObject } | { next: number };

/** A request that takes longer has failed. */
const REQUEST_TIMEOUT_MS = 120_000;

/** The object, or undefined when there is none, or no such bucket. */
export async function describeObject(
  connection: Connection,
  object: ObjectName,
  signal?: AbortSignal,
): Promise<StoredObject | undefined> {
  const url = `${connection.endpoint}/storage/v1/${pathOf(object)}`;
  try {
    const answer = await again(signal, () => send(connection, url, { method: "GET" }, signal));
    return parseObject(await answer.json());
  } catch (error) {
    if (error instanceof StorageError && error.status === 404) return undefined;
    throw explain(error, { permission: "storage.objects.get", bucket: object.bucket });
  }
}

/** Deletes an object; one that is not there is fine. */
export async function deleteObject(connection: Connection, object: ObjectName, signal?: AbortSignal): Promise<void> {
  const url = `${connection.endpoint}/storage/v1/${pathOf(object)}`;
  try {
    await drained(again(signal, () => send(connection, url, { method: "DELETE" }, signal)));
  } catch (error) {
    if (error instanceof StorageError && error.status === 404) return;
    throw explain(error, { permission: "storage.objects.delete", bucket: object.bucket });
  }
}

/**
 * Begins a resumable upload of an object that is not there yet.
 *
 * @returns the address of the upload. Whoever has it needs no other credentials to go on with it.
 */
export async function beginUpload(
  connection: Connection,
  { bucket, name }: ObjectName,
  description: { contentType: string; metadata: { [name: string]: string } },
  signal?: AbortSignal,
): Promise<string> {
  const query = new URLSearchParams({ uploadType: "resumable", name, ifGenerationMatch: "0" });
  const url = `${connection.endpoint}/upload/storage/v1/b/${encodeURIComponent(bucket)}/o?${query.toString()}`;
  const request = {
    method: "POST",
    headers: {
      "content-type": "application/json; charset=utf-8",
      "x-upload-content-type": description.contentType,
    },
    body: JSON.stringify({ name, ...description }),
  };
  const answer = await again(signal, () => send(connection, url, request, signal));
  await answer.arrayBuffer();
  const session = answer.headers.get("location");
  if (session === null) throw new StorageError(answer.status, "", "the answer names no place for the upload");
  return session;
}

/** Sends a part of an upload. `total` is known with the last one. */
export async function sendPart(
  connection: Connection,
  session: string,
  { start, data, total }: { start: number; data: Buffer; total: number | undefined },
  signal?: AbortSignal,
): Promise<Arrived> {
  const range = data.length === 0 ? "*" : `${start}-${start + data.length - 1}`;
  const headers = { "content-range": `bytes ${range}/${total ?? "*"}` };
  return arrived(await sendUnproven(connection, session, { method: "PUT", headers, body: data }, signal));
}

/** Asks how much of an upload has arrived. */
export async function askArrived(connection: Connection, session: string, signal?: AbortSignal): Promise<Arrived> {
  const request = { method: "PUT", headers: { "content-range": "bytes */*" }, body: "" };
  return arrived(await sendUnproven(connection, session, request, signal));
}

/** Ends an upload that is not to be finished. The service then forgets what has arrived. */
export async function cancelUpload(connection: Connection, session: string): Promise<void> {
  try {
    await drained(sendUnproven(connection, session, { method: "DELETE" }, AbortSignal.timeout(5000)));
  } catch (error) {
    // 499 is how the service confirms it.
    if (!(error instanceof StorageError)) throw error;
  }
}

/** Whether the service no longer knows the address of an upload: it lasts a week. */
export function isForgotten(error: unknown): boolean {
  return error instanceof StorageError && (error.status === 404 || error.status === 410);
}

function again<T>(signal: AbortSignal | undefined, call: () => Promise<T>): Promise<T> {
  return retry(call, { signal, when: isTransient });
}

interface HttpRequest {
  method: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
}

async function send(
  connection: Connection,
  url: string,
  request: HttpRequest,
  signal: AbortSignal | undefined,
): Promise<Response> {
  const headers = { ...(await connection.headers()), ...request.headers };
  return sendUnproven(connection, url, { ...request, headers }, signal);
}

/** Sends what needs no proof of who sends it: the address of an upload is one in itself. */
async function sendUnproven(
  connection: Connection,
  url: string,
  request: HttpRequest,
  signal: AbortSignal | undefined,
): Promise<Response> {
  const timeout = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
  const answer = await connection.fetch(url, {
    ...request,
    // 308 says here that the upload goes on, and leads nowhere.
    redirect: "manual",
    signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
  });
  if (answer.ok || answer.status === 308) return answer;
  throw errorOf(answer.status, await answer.text());
}

async function drained(answer: Promise<Response>): Promise<void> {
  await (await answer).arrayBuffer();
}

async function arrived(answer: Response): Promise<Arrived> {
  if (answer.status !== 308) return { object: parseObject(await answer.json()) };
  await answer.arrayBuffer();
  const [, last] = /^bytes=0-(\d+)$/.exec(answer.headers.get("range") ?? "") ?? [];
  return { next: last === undefined ? 0 : Number(last) + 1 };
}

function errorOf(status: number, text: string): StorageError {
  try {
    const { error } = JSON.parse(text) as { error?: { message?: string; errors?: { reason?: string }[] } };
    if (typeof error?.message === "string")
      return new StorageError(status, error.errors?.[0]?.reason ?? "", error.message);
  } catch {
    // Not every answer is JSON.
  }
  return new StorageError(status, "", text.trim().slice(0, 300) || `status ${status}`);
}

function parseObject(value: unknown): StoredObject {
  const { bucket, name, size, md5Hash, metadata } = value as {
    bucket: string;
    name: string;
    size: string;
    md5Hash?: string;
    metadata?: { [name: string]: string };
  };
  return { bucket, name, size: Number(size), md5: md5Hash ?? "", metadata: metadata ?? {} };
}

function pathOf({ bucket, name }: ObjectName): string {
  return `b/${encodeURIComponent(bucket)}/o/${encodeURIComponent(name)}`;
}
