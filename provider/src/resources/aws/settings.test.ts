import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { callerAccount, connect, type Connection } from "../../targets/aws/index.js";
import { ACCOUNT, EbsService } from "../../targets/aws/testing/ebs-service.js";
import { testContext } from "../testing/context.js";
import { expectAllowedAccount, settingsOf, type ConnectionInputs } from "./settings.js";

const ROLES = ["111111111111", "222222222222"].map((account) => `arn:aws:iam::${account}:role/deploy`);
const OWN = { roleArn: "arn:aws:iam::333333333333:role/own" };

let service: EbsService;
let config: Record<string, string>;

beforeEach(async () => {
  service = await new EbsService().start();
  onTestFinished(() => service.stop());
  config = { "aws:accessKey": service.key.accessKeyId, "aws:secretKey": service.key.secretAccessKey };
});

/** A connection as a resource opens it, and what it is opened by. */
async function opened(given: Partial<ConnectionInputs> = {}, credentials?: object) {
  const { endpoint } = service;
  const inputs = { region: "eu-central-1", endpoints: { ebs: endpoint, ec2: endpoint, sts: endpoint }, ...given };
  const context = testContext({ config: (key) => config[key], credentials });
  const connection: Connection = await connect(settingsOf(inputs, context));
  onTestFinished(() => connection.close());
  return { inputs, context, connection };
}

/** The account that a resource with these inputs writes to. */
async function account(...how: Parameters<typeof opened>): Promise<string> {
  return callerAccount((await opened(...how)).connection);
}

describe("the stack's aws:assumeRoles", () => {
  test("are taken on, one after the other, with all that is said of them", async () => {
    const first = {
      roleArn: ROLES[0],
      externalId: "shop",
      sessionName: "deploy",
      duration: "1h30m",
      policy: '{"Version":"2012-10-17"}',
      policyArns: ["arn:aws:iam::aws:policy/AmazonEC2FullAccess"],
      sourceIdentity: "jane",
      tags: { team: "shop" },
      transitiveTagKeys: ["team"],
    };
    config["aws:assumeRoles"] = JSON.stringify([first, { roleArn: ROLES[1] }]);
    expect(await account()).toBe("222222222222");
    expect(service.assumed).toEqual([
      {
        by: service.key.accessKeyId,
        request: {
          RoleArn: ROLES[0],
          ExternalId: "shop",
          RoleSessionName: "deploy",
          DurationSeconds: "5400",
          Policy: first.policy,
          "PolicyArns.member.1.arn": first.policyArns[0],
          SourceIdentity: "jane",
          "Tags.member.1.Key": "team",
          "Tags.member.1.Value": "shop",
          "TransitiveTagKeys.member.1": "team",
        },
      },
      {
        by: service.addKey("111111111111").accessKeyId,
        request: { RoleArn: ROLES[1], RoleSessionName: "pulumi-unikernel" },
      },
    ]);
  });

  test("stay out of it where the program says whose account it is", async () => {
    config["aws:assumeRoles"] = JSON.stringify([{ roleArn: ROLES[0] }]);
    expect(await account({ assumeRole: OWN })).toBe("333333333333");
    expect(await account({}, service.addKey("444444444444"))).toBe("444444444444");
    expect(settingsOf({ profile: "prod" }, testContext({ config: (key) => config[key] }))).toMatchObject({
      profile: "prod",
      assumeRoles: undefined,
    });
  });

  test.each([
    ["aws:assumeRoles", "{", "The stack's `aws:assumeRoles` is not a list of roles."],
    ["aws:assumeRoles", '[{"externalId":"x"}]', "The stack's `aws:assumeRoles[0]` names no role: set its `roleArn`."],
    [
      "aws:assumeRoles",
      '[{"roleArn":"x"},{"roleArn":"y","mfa":"1"}]',
      "The upload to AWS does not know the stack's `aws:assumeRoles[1].mfa`. Remove it.",
    ],
    [
      "aws:assumeRoles",
      '[{"roleArn":"x","duration":"1 hour"}]',
      'The stack\'s `aws:assumeRoles[0].duration` must be a time such as 1h30m; "1 hour" is not.',
    ],
    [
      "aws:assumeRoleWithWebIdentity",
      "{}",
      "The upload to AWS does not know the stack's `aws:assumeRoleWithWebIdentity`. Set AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE in its place, which hold for everything.",
    ],
  ])("%s %s is refused with a sentence", async (key, value, sentence) => {
    config[key] = value;
    await expect(opened()).rejects.toThrow(sentence);
  });
});

describe("the accounts that the stack's configuration names", () => {
  async function allowed(...how: Parameters<typeof opened>): Promise<void> {
    const { inputs, context } = await opened(...how);
    await expectAllowedAccount(inputs, context);
  }

  test("let an upload go on", async () => {
    await allowed();
    expect(service.calls, "nobody asks where nothing is said").toEqual([]);
    config["aws:allowedAccountIds"] = JSON.stringify(["210987654321", ACCOUNT]);
    config["aws:forbiddenAccountIds"] = JSON.stringify(["210987654321"]);
    await allowed();
  });

  test("stop one into another account", async () => {
    config["aws:allowedAccountIds"] = JSON.stringify(["210987654321"]);
    await expect(allowed()).rejects.toThrow(
      `The AWS credentials are of the account ${ACCOUNT}, which is not among the stack's \`aws:allowedAccountIds\`. Nothing was uploaded.`,
    );
    delete config["aws:allowedAccountIds"];
    config["aws:forbiddenAccountIds"] = JSON.stringify([ACCOUNT]);
    await expect(allowed()).rejects.toThrow("which is among the stack's `aws:forbiddenAccountIds`");
  });

  test("are of the account of the role that is taken on", async () => {
    config["aws:assumeRoles"] = JSON.stringify([{ roleArn: ROLES[0] }]);
    config["aws:allowedAccountIds"] = JSON.stringify(["111111111111"]);
    await allowed();
  });

  test("say nothing of one that the program names itself", async () => {
    config["aws:allowedAccountIds"] = JSON.stringify(["210987654321"]);
    await allowed({ assumeRole: OWN });
  });
});
