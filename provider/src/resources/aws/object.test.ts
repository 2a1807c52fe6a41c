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

test("two of the same name, each for a bucket of its own, are uploaded side by side", async () => {
  s3.buckets.set("others", "eu-central-1");
  const context = testContext({ preview: false, credentials: { ...ebs.key } });
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  s3.gate = ({ action }) => (action === "part" ? opened : undefined);
  const one = awsObjectResource.create(inputs, context);
  await expect.poll(() => s3.count("part")).toBe(1);
  const other = awsObjectResource.create({ ...inputs, bucket: "others" }, context);
  await expect.poll(() => s3.count("part")).toBe(2);
  open();
  await Promise.all([one, other]);
  const key = `web/${inputs.image.slice("sha256:".length)}.vmdk`;
  expect([...s3.objects.keys()].sort()).toEqual([`images/${key}`, `others/${key}`]);
  expect(s3.count("begin"), "neither ends the other's").toBe(2);
});
