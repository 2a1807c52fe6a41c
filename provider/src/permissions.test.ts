import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { importPolicy, importRole, uploadPolicy } from "./aws/index.js";
import { instancePermissions, uploadPermissions } from "./gcp/index.js";

test("PERMISSIONS.md shows what is exported", () => {
  const text = readFileSync(join(__dirname, "../PERMISSIONS.md"), "utf8");
  const shown = [...text.matchAll(/```json\n(.*?)```/gs)].map(([, json = ""]) => JSON.parse(json) as unknown);
  const [region, bucket] = ["eu-central-1", "my-images"];
  const kmsKeyArn = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
  const { assumeRolePolicy, policy } = importRole({ bucket, kmsKeyArn });
  expect(shown).toEqual([
    uploadPolicy({ region, kmsKeyArn, copyTo: ["eu-west-1"] }),
    importPolicy({ bucket, region, kmsKeyArn }),
    assumeRolePolicy,
    policy,
    uploadPermissions,
    instancePermissions,
  ]);
});
