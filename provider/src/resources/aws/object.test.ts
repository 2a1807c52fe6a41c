import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { buildImage } from "../../image/index.js";
import { buildContext } from "../../image/testing/context.js";
import { elf } from "../../image/testing/elf.js";
import { temporaryDirectory } from "../../image/testing/temporary.js";
import { ACCOUNT, EbsService } from "../../targets/aws/testing/ebs-service.js";
import { S3Service } from "../../targets/aws/testing/s3-service.js";
import { testContext } from "../testing/context.js";
import { awsObjectResource, type CheckedObject } from "./object.js";

let ebs: EbsService;
let s3: S3Service;
let inputs: CheckedObject;

beforeEach(async () => {
  ebs = await new EbsService().start();
  s3 = await new S3Service(ebs.key).start();
  const folder = temporaryDirectory();
  vi.stubEnv("XDG_CACHE_HOME", join(folder, "cache"));
  onTestFinished(() => {
    vi.unstubAllEnvs();
    s3.stop();
    ebs.stop();
  });
  writeFileSync(join(folder, "server"), elf(), { mode: 0o755 });
  const spec = { source: { binary: "server" } };
  const { digest } = await buildImage(spec, { baseDir: folder, kernel: buildContext(folder).kernel });
  const endpoints = { s3: s3.endpoint, ebs: ebs.endpoint, ec2: ebs.endpoint, sts: ebs.endpoint };
  inputs = { image: digest, bucket: "images", name: "web", region: "eu-central-1", endpoints };
});

test("an object is uploaded with the credentials of an account that the stack's configuration allows, and of no other", async () => {
  const config: Record<string, string> = {
    "aws:accessKey": ebs.key.accessKeyId,
    "aws:secretKey": ebs.key.secretAccessKey,
    "aws:allowedAccountIds": '["210987654321"]',
  };
  const context = testContext({ preview: false, config: (key) => config[key] });
  await expect(awsObjectResource.create(inputs, context)).rejects.toThrow(
    `The AWS credentials are of the account ${ACCOUNT}, which is not among the stack's \`aws:allowedAccountIds\`. Nothing was uploaded.`,
  );
  expect(s3.calls).toEqual([]);

  config["aws:allowedAccountIds"] = JSON.stringify([ACCOUNT]);
  await awsObjectResource.create(inputs, context);
  expect(s3.objects.size).toBe(1);
});
