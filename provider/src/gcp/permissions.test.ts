import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { temporaryDirectory } from "../image/testing/temporary.js";
import { connect, deleteObject, uploadObject } from "../targets/gcp/index.js";
import { StorageService } from "../targets/gcp/testing/storage-service.js";
import { instancePermissions, uploadPermissions } from "./permissions.js";

test("the permissions are those of IAM, each once, and none is a wildcard", () => {
  const all = [uploadPermissions.bucket, uploadPermissions.project, instancePermissions.project].flat();
  expect(new Set(all).size).toBe(all.length);
  for (const permission of all) expect(permission).toMatch(/^(storage|compute)\.[a-zA-Z]+\.[a-zA-Z]+$/);
  expect(uploadPermissions.project.every((permission) => !permission.startsWith("storage."))).toBe(true);
});

test("the permissions on the bucket are what an upload takes, from the first to the removal of its object, and no more", async () => {
  const service = await new StorageService().start();
  onTestFinished(() => service.stop());
  const connection = await connect({ accessToken: service.token, endpoint: service.endpoint });
  const journal = join(temporaryDirectory(), "web.json");
  const object = { bucket: "images", name: "web/1.tar.gz", digest: "sha256:1", contentType: "application/gzip" };
  const pieces = async function* (): AsyncGenerator<Buffer> {
    yield Buffer.from("disk");
  };
  const life = async (permissions: readonly string[]): Promise<void> => {
    service.permissions = new Set(permissions);
    service.objects.clear();
    for (const _twice of [1, 2]) await uploadObject(pieces, connection, object, { journal });
    for (const _twice of [1, 2]) await deleteObject(connection, object);
  };
  await life(uploadPermissions.bucket);
  for (const permission of uploadPermissions.bucket) {
    const others = uploadPermissions.bucket.filter((other) => other !== permission);
    await expect(life(others), permission).rejects.toThrow(
      new RegExp(`^Google Cloud denied the request: the permission .*${permission}`),
    );
  }
});
