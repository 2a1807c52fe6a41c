import type * as ebsSdk from "@aws-sdk/client-ebs";
import type * as ec2Sdk from "@aws-sdk/client-ec2";
import type { Answer } from "./refusal.js";
import { isClockSkew } from "./transient.js";

type Client = Pick<ebsSdk.EBS | ec2Sdk.EC2, "config">;
export type Signer = Awaited<ReturnType<ebsSdk.EBS["config"]["signer"]>>;
export type HttpRequest = Parameters<Signer["sign"]>[0];

/**
 * Sends a request that no command of the SDK made, with a client's own signer and HTTP handler, its credentials, which they renew, its clock and its
 * time-outs.
 */
export async function sendSigned(
  { config }: Client,
  signer: Signer,
  request: HttpRequest,
  options: { abortSignal?: AbortSignal; signingService?: string } = {},
): Promise<Answer> {
  const { abortSignal, ...signing } = options;
  const signed = await signer.sign(request, {
    ...signing,
    signingDate: new Date(Date.now() + config.systemClockOffset),
  });
  const { response } = (await config.requestHandler.handle(signed, { ...(abortSignal && { abortSignal }) })) as {
    response: Answer;
  };
  return response;
}

/** As the SDK does after its own requests: the next one is signed by the service's clock. */
export async function learnClock({ config }: Client, { headers }: Answer, error: unknown): Promise<void> {
  const time = Date.parse(headers["date"] ?? "");
  if (isClockSkew(error) && !Number.isNaN(time) && !(await config.disableClockSkewCorrection()))
    config.systemClockOffset = time - Date.now();
}
