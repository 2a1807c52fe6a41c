import { VisibleError } from "../../image/index.js";
import { callerAccount, connect, type ConnectionSettings, type Credentials } from "../../targets/aws/index.js";
import type { Context } from "../resource.js";
import type { TextForm } from "../text.js";
import { configuredRoles } from "./configured-roles.js";
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
    assumeRoles:
      assumeRole !== undefined ? [assumeRole] : isProgramsOwn(inputs, context) ? undefined : configuredRoles(context),
    endpoints,
  };
}

/** Whether the program says itself whose account it is. What the stack's configuration says of the account is then not meant for it. */
function isProgramsOwn(
  { profile, assumeRole }: ConnectionInputs,
  { credentials }: Pick<Context, "credentials">,
): boolean {
  return profile !== undefined || assumeRole !== undefined || credentials !== undefined;
}

/**
 * Sees that the stack's configuration lets its programs write to the account.
 *
 * @throws {VisibleError} when it does not.
 */
export async function expectAllowedAccount(
  inputs: ConnectionInputs,
  context: Pick<Context, "config" | "credentials" | "signal">,
): Promise<void> {
  const [allowed, forbidden] = ["aws:allowedAccountIds", "aws:forbiddenAccountIds"].map((key) => context.config(key));
  if (isProgramsOwn(inputs, context) || (allowed ?? forbidden) === undefined) return;
  const account = await accountOf(settingsOf(inputs, context), context.signal);
  const isIn = (ids: string): boolean => ids.match(/\d+/g)?.includes(account) ?? false;
  const reason =
    allowed !== undefined && !isIn(allowed)
      ? "which is not among the stack's `aws:allowedAccountIds`"
      : forbidden !== undefined && isIn(forbidden)
        ? "which is among the stack's `aws:forbiddenAccountIds`"
        : undefined;
  if (reason === undefined) return;
  throw new VisibleError(
    `The AWS credentials are of the account ${account}, ${reason}. Nothing was uploaded. Set those of another account.`,
  );
}

async function accountOf(settings: ConnectionSettings, signal: AbortSignal | undefined): Promise<string> {
  const connection = await connect(settings);
  try {
    return await callerAccount(connection, signal);
  } finally {
    connection.close();
  }
}

function configuredCredentials({ config }: Pick<Context, "config">): Credentials | undefined {
  const [accessKeyId, secretAccessKey] = [config("aws:accessKey"), config("aws:secretKey")];
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  const sessionToken = config("aws:token");
  return { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) };
}
