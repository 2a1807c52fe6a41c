import type { ConnectionSettings, Credentials } from "../../targets/aws/index.js";
import type { Context } from "../resource.js";
import type { TextForm } from "../text.js";
import type { AssumedRole, ServiceEndpoints } from "./connection-properties.js";

/** The inputs that say how to reach AWS. */
export interface ConnectionInputs {
  region?: string;
  profile?: string;
  assumeRole?: AssumedRole;
  endpoints?: ServiceEndpoints;
}

/** Of an input that takes a region. */
export const REGION_FORM: TextForm = [/^[a-z]{2,}(-[a-z]+)+-\d+$/, "a region of AWS, such as eu-central-1"];

/** What the program says, then what the stack's configuration says; the rest is found where AWS's own tools find it. */
export function settingsOf(
  inputs: ConnectionInputs,
  context: Pick<Context, "config" | "credentials">,
): ConnectionSettings {
  const { region, profile, assumeRole, endpoints } = inputs;
  return {
    region: region ?? context.config("aws:region"),
    profile: profile ?? context.config("aws:profile"),
    credentials: (context.credentials as Credentials | undefined) ?? configuredCredentials(context),
    assumeRole,
    endpoints,
  };
}

function configuredCredentials({ config }: Pick<Context, "config">): Credentials | undefined {
  const [accessKeyId, secretAccessKey] = [config("aws:accessKey"), config("aws:secretKey")];
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  const sessionToken = config("aws:token");
  return { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) };
}
