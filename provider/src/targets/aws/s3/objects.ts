/**
 * The requests to S3 that the upload of an object takes.
 *
 * @see https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
 */
import type { S3 } from "@aws-sdk/client-s3";
import { messageOf, nameOf, retry } from "../../retry.js";
import type { StorageConnection } from "../connection.js";
import { explain } from "../errors.js";
import { abort } from "../request.js";
import { isTransient } from "../transient.js";

/** An object to be, or that is. */
export interface ObjectName {
  bucket: string;
  key: string;
}

/** A part of an upload that S3 has. */
export interface ArrivedPart {
  etag: string;
  /** SHA-256, in base64. */
  sha256: string;
}

/** Bytes of the object, or undefined when there is none, or no such bucket. */
export async function objectSize(
  connection: StorageConnection,
  { bucket, key }: ObjectName,
  signal?: AbortSignal,
): Promise<number | undefined> {
  // A HEAD request would do, but its answers say nothing of what is wrong.
  const list = await ask(connection, "s3:ListBucket", bucket, signal, (s3, options) =>
    s3.listObjectsV2({ Bucket: bucket, Prefix: key, MaxKeys: 1 }, options),
  ).catch(unlessBucketIsMissing);
  return list?.Contents?.find(({ Key }) => Key === key)?.Size;
}

/** Deletes an object; one that is not there is fine, and so is a bucket that is not. */
export async function deleteObject(
  connection: StorageConnection,
  { bucket, key }: ObjectName,
  signal?: AbortSignal,
): Promise<void> {
  await ask(connection, "s3:DeleteObject", bucket, signal, (s3, options) =>
    s3.deleteObject({ Bucket: bucket, Key: key }, options),
  ).catch(unlessBucketIsMissing);
}

/** Begins an upload in parts. @returns its id. */
export async function beginUpload(
  connection: StorageConnection,
  { bucket, key }: ObjectName,
  metadata: { [name: string]: string },
  signal?: AbortSignal,
): Promise<string> {
  const { UploadId: id } = await ask(connection, "s3:PutObject", bucket, signal, (s3, options) =>
    s3.createMultipartUpload(
      {
        Bucket: bucket,
        Key: key,
        ChecksumAlgorithm: "SHA256",
        ContentType: "application/octet-stream",
        Metadata: metadata,
      },
      options,
    ),
  );
  if (id === undefined) throw new Error("S3 began an upload without telling its id.");
  return id;
}

/** The parts of an upload that have arrived, by number, or undefined when S3 no longer knows the upload. */
export async function arrivedParts(
  connection: StorageConnection,
  { bucket, key }: ObjectName,
  id: string,
  signal?: AbortSignal,
): Promise<Map<number, ArrivedPart> | undefined> {
  const parts = new Map<number, ArrivedPart>();
  let marker: string | undefined;
  try {
    do {
      const page = await ask(connection, "s3:ListMultipartUploadParts", bucket, signal, (s3, options) =>
        s3.listParts(
          { Bucket: bucket, Key: key, UploadId: id, ...(marker !== undefined && { PartNumberMarker: marker }) },
          options,
        ),
      );
      for (const { PartNumber, ETag, ChecksumSHA256 } of page.Parts ?? [])
        if (PartNumber !== undefined && ETag !== undefined && ChecksumSHA256 !== undefined)
          parts.set(PartNumber, { etag: ETag, sha256: ChecksumSHA256 });
      marker = page.IsTruncated ? page.NextPartNumberMarker : undefined;
    } while (marker !== undefined);
  } catch (error) {
    if (isForgotten(error)) return undefined;
    throw error;
  }
  return parts;
}

/** Sends a part of an upload; S3 refuses it when what arrives is not what was sent. */
export async function sendPart(
  connection: StorageConnection,
  { bucket, key }: ObjectName,
  { id, number, data, sha256 }: { id: string; number: number; data: Buffer; sha256: string },
  signal?: AbortSignal,
): Promise<ArrivedPart> {
  const { ETag: etag } = await ask(connection, "s3:PutObject", bucket, signal, (s3, options) =>
    s3.uploadPart(
      { Bucket: bucket, Key: key, UploadId: id, PartNumber: number, Body: data, ChecksumSHA256: sha256 },
      options,
    ),
  );
  if (etag === undefined) throw new Error("S3 took a part of an upload without telling its tag.");
  return { etag, sha256 };
}

/** Makes the object of its parts. */
export async function completeUpload(
  connection: StorageConnection,
  { bucket, key }: ObjectName,
  id: string,
  parts: ReadonlyMap<number, ArrivedPart>,
  signal?: AbortSignal,
): Promise<void> {
  const Parts = [...parts]
    .sort(([a], [b]) => a - b)
    .map(([PartNumber, { etag, sha256 }]) => ({ PartNumber, ETag: etag, ChecksumSHA256: sha256 }));
  await ask(connection, "s3:PutObject", bucket, signal, (s3, options) =>
    s3.completeMultipartUpload({ Bucket: bucket, Key: key, UploadId: id, MultipartUpload: { Parts } }, options),
  );
}

/** Ends an upload that is not to be finished: S3 would keep its parts, and charge for them. */
export async function cancelUpload(
  connection: StorageConnection,
  { bucket, key }: ObjectName,
  id: string,
): Promise<void> {
  await ask(connection, "s3:AbortMultipartUpload", bucket, AbortSignal.timeout(5000), (s3, options) =>
    s3.abortMultipartUpload({ Bucket: bucket, Key: key, UploadId: id }, options),
  ).catch((error: unknown) => {
    if (!isForgotten(error)) throw error;
  });
}

/** Whether S3 no longer knows an upload: it was completed, or aborted. */
export function isForgotten(error: unknown): boolean {
  return nameOf(error) === "NoSuchUpload";
}

/** Where there is no bucket there is no object. Whoever puts one there is told. */
function unlessBucketIsMissing(error: unknown): undefined {
  if (nameOf((error as Error).cause) !== "NoSuchBucket") throw error;
}

async function ask<T>(
  { s3, region }: StorageConnection,
  action: string,
  bucket: string,
  signal: AbortSignal | undefined,
  send: (s3: S3, options: ReturnType<typeof abort>) => Promise<T>,
): Promise<T> {
  try {
    return await retry(() => send(s3, abort(signal)), { signal, when: isTransientHere });
  } catch (error) {
    if (isForgotten(error)) throw error;
    throw explain(error, { action, region, bucket });
  }
}

/** S3 may also say in an answer of status 200 that it failed. */
function isTransientHere(error: unknown): boolean {
  return (
    isTransient(error) ||
    ["InternalError", "RequestTimeout"].includes(nameOf(error)) ||
    /was not read|socket connection .* timeout/i.test(messageOf(error))
  );
}
