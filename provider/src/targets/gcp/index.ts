/** The way of a disk to Google Cloud. Knows nothing of Pulumi. */
export { connect, type Connection, type ConnectionSettings } from "./connection.js";
export { deleteObject, describeObject, type ObjectName, type StoredObject } from "./storage.js";
export { DIGEST_KEY, uploadObject, type UploadOptions, type UploadProgress, type UploadRequest } from "./upload.js";
