import { expect, test } from "vitest";
import { connect } from "./connection.js";

test.each([
  ["eu-central-1", {}, "https://sts.eu-central-1.amazonaws.com/"],
  ["cn-north-1", {}, "https://sts.cn-north-1.amazonaws.com.cn/"],
  ["us-gov-west-1", {}, "https://sts.us-gov-west-1.amazonaws.com/"],
  ["eu-central-1", { sts: "http://127.0.0.1:4566" }, "http://127.0.0.1:4566/"],
])("in %s with %o whose the credentials are is asked at %s", async (region, endpoints, url) => {
  const connection = await connect({ region, endpoints });
  expect(connection.sts.href).toBe(url);
  connection.close();
});
