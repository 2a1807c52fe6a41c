import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { temporaryDirectory } from "../image/testing/temporary.js";
import {
  changeTags,
  connect,
  connectStorage,
  deleteObject,
  deleteSnapshot,
  describeSnapshot,
  GIB,
  uploadObject,
  uploadSnapshot,
} from "../targets/aws/index.js";
import { EbsService } from "../targets/aws/testing/ebs-service.js";
import { S3Service } from "../targets/aws/testing/s3-service.js";
import { noise, sparseDisk } from "../targets/testing/disk.js";
import { importPolicy, uploadPolicy, type PolicyDocument } from "./policy.js";

/** What a policy allows of what takes a permission of these services. */
function allowedBy({ Statement }: PolicyDocument, actions: readonly string[]): string[] {
  return actions.filter((action) => Statement.some(({ Action }) => Action.includes(action)));
}

/** Expects this to work with all the permissions, and to say which one is missing without any one of them. */
async function expectNeeded(permissions: string[], work: (allowed: ReadonlySet<string>) => Promise<void>) {
  await work(new Set(permissions));
  for (const permission of permissions) {
    const others = permissions.filter((other) => other !== permission);
    await expect(work(new Set(others)), permission).rejects.toThrow(
      `AWS denied the request: the permission ${permission} `,
    );
  }
}

const region = "eu-central-1";

describe("the policy is what it takes, from the first to the last, and no more,", () => {
  test("of a snapshot, another upon it, and its tags", async () => {
    const service = await new EbsService().start();
    const { endpoint, key: credentials } = service;
    const connection = await connect({ region, credentials, endpoints: { ebs: endpoint, ec2: endpoint } });
    onTestFinished(() => {
      connection.close();
      service.stop();
    });
    const actions = ["ebs:StartSnapshot", "ebs:PutSnapshotBlock", "ebs:CompleteSnapshot"].concat(
      ["CreateTags", "DeleteTags", "DescribeSnapshots", "DeleteSnapshot"].map((action) => `ec2:${action}`),
    );
    const permissions = allowedBy(uploadPolicy({ region }), actions);
    expect(permissions).toEqual(actions);
    await expectNeeded(permissions, async (allowed) => {
      service.fault = ({ action }) => {
        if (allowed.has(`ebs:${action}`) || allowed.has(`ec2:${action}`)) return undefined;
        return {
          status: 403,
          code: /Snapshots$|Tags$|^Delete/.test(action) ? "UnauthorizedOperation" : "AccessDeniedException",
        };
      };
      const journal = (): string => join(temporaryDirectory(), "web.jsonl");
      const disk = sparseDisk(GIB, [{ offset: 0, data: noise(4096, 1) }]);
      const request = { digest: "sha256:1", volumeSize: 1, tags: { team: "shop" } };
      const first = await uploadSnapshot(disk, connection, request, { journal: journal() });
      const next = { ...request, digest: "sha256:2", parent: first };
      const second = await uploadSnapshot(disk, connection, next, { journal: journal() });
      await changeTags(connection, second.id, { team: "shop" }, { owner: "jane" });
      await describeSnapshot(connection, second.id);
      for (const { id } of [second, first]) await deleteSnapshot(connection, id);
    });
  });

  test("of an object that is uploaded for an import", async () => {
    const key = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "anything" };
    const service = await new S3Service(key).start();
    const connection = await connectStorage({ region, credentials: key, endpoints: { s3: service.endpoint } });
    onTestFinished(() => {
      connection.close();
      service.stop();
    });
    const needed: Record<string, string> = {
      list: "s3:ListBucket",
      begin: "s3:PutObject",
      part: "s3:PutObject",
      complete: "s3:PutObject",
      parts: "s3:ListMultipartUploadParts",
      delete: "s3:DeleteObject",
    };
    const actions = [...new Set(Object.values(needed))];
    const permissions = allowedBy(importPolicy({ region, bucket: "images" }), actions);
    expect(permissions).toEqual(actions);
    await expectNeeded(permissions, async (allowed) => {
      const fault: S3Service["fault"] = ({ action }) =>
        allowed.has(needed[action] ?? "") ? undefined : { status: 403, code: "AccessDenied" };
      const journal = join(temporaryDirectory(), "web.json");
      const object = { bucket: "images", key: "web/1.vmdk", digest: "sha256:1" };
      const pieces = async function* (): AsyncGenerator<Buffer> {
        yield noise(4096, 1);
      };
      service.objects.clear();
      // An upload is interrupted, and another goes on with it.
      service.fault = (call) => (call.action === "part" ? { status: 400, code: "Interrupted" } : fault(call));
      await uploadObject(pieces, connection, object, { journal }).catch((error: Error) => {
        if (error.name !== "Interrupted") throw error;
      });
      service.fault = fault;
      await uploadObject(pieces, connection, object, { journal });
      await deleteObject(connection, object);
    });
  });
});
