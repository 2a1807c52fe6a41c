import { text } from "node:stream/consumers";
import { retry } from "../retry.js";
import type { Connection } from "./connection.js";
import { explain } from "./errors.js";
import { xmlRefusal } from "./refusal.js";
import { abort } from "./request.js";
import { learnClock, sendSigned } from "./signed-request.js";
import { isTransient } from "./transient.js";

/**
 * The id of the account that a connection's credentials are of. It takes no permission. STS, which tells it, has a package of the SDK to itself; the
 * client of EC2 signs and sends this one request, so that nobody has to install that.
 *
 * @see https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
 */
export async function callerAccount({ ec2, sts, region }: Connection, signal?: AbortSignal): Promise<string> {
  const { protocol, hostname, port, host } = sts;
  const request = {
    method: "POST",
    protocol,
    hostname,
    ...(port !== "" && { port: Number(port) }),
    path: "/",
    headers: { host, "content-type": "application/x-www-form-urlencoded; charset=utf-8" },
    body: "Action=GetCallerIdentity&Version=2011-06-15",
  };
  const ask = async (): Promise<string> => {
    const signer = await ec2.config.signer();
    const answer = await sendSigned(ec2, signer, request, { ...abort(signal), signingService: "sts" });
    const body = await text(answer.body);
    const [, account] = /<Account>(\d+)<\/Account>/.exec(body) ?? [];
    if (account !== undefined) return account;
    const error = xmlRefusal(answer, body);
    await learnClock(ec2, answer, error);
    throw error;
  };
  try {
    return await retry(ask, { signal, when: isTransient });
  } catch (error) {
    throw explain(error, { action: "sts:GetCallerIdentity", region });
  }
}
