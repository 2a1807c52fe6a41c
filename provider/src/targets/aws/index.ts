/** The way of a disk to AWS. Knows nothing of Pulumi. */
export { callerAccount } from "./account.js";
export {
  connect,
  connectStorage,
  type AssumedRole,
  type Connection,
  type ConnectionSettings,
  type Credentials,
  type StorageConnection,
} from "./connection.js";
export { BlockDigests, GIB } from "./ebs/blocks.js";
export {
  changeTags,
  deleteSnapshot,
  describeSnapshot,
  waitUntilCompleted,
  type SnapshotDescription,
} from "./ebs/snapshots.js";
export {
  forgetUpload,
  uploadSnapshot,
  type ParentSnapshot,
  type UploadedSnapshot,
  type UploadOptions,
  type UploadProgress,
  type UploadRequest,
} from "./ebs/upload.js";
export { deleteObject, objectSize, type ObjectName } from "./s3/objects.js";
export { uploadObject, type ObjectProgress, type ObjectUpload, type ObjectUploadOptions } from "./s3/upload.js";
