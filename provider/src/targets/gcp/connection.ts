import type * as authLibrary from "google-auth-library";
import { openHttp, VisibleError, type Fetch } from "../../image/index.js";

/** Which identity to talk to Google Cloud as, and how. What is left out comes from where Google's own tools take it. */
export interface ConnectionSettings {
  /** A key or another credential configuration: the JSON text itself, or the path of a file that holds it. */
  credentials?: string | undefined;
  /** An OAuth 2.0 access token, in the place of credentials. */
  accessToken?: string | undefined;
  /** E-mail address of a service account to act as. */
  impersonateServiceAccount?: string | undefined;
  /** The project that pays for requests. */
  billingProject?: string | undefined;
  /** URL to use in the place of Cloud Storage's own. */
  endpoint?: string | undefined;
}

/** A way to Cloud Storage. */
export interface Connection {
  /** URL of the service, without a slash at its end. */
  readonly endpoint: string;
  readonly fetch: Fetch;
  /** What proves to the service who asks. */
  headers(): Promise<Record<string, string>>;
}

const SCOPE = "https://www.googleapis.com/auth/devstorage.read_write";
const SCOPE_TO_IMPERSONATE = "https://www.googleapis.com/auth/cloud-platform";

/**
 * Opens a connection. Nothing is sent to Cloud Storage yet.
 *
 * @throws {VisibleError} when Google's library is not installed, or the credentials cannot be read.
 */
export async function connect(settings: ConnectionSettings): Promise<Connection> {
  const library = loadLibrary();
  // Found when they are first needed: whoever has none is told so by what was being done.
  let client: Promise<authLibrary.AuthClient> | undefined;
  return {
    endpoint: (settings.endpoint ?? "https://storage.googleapis.com").replace(/\/$/, ""),
    fetch: await openHttp(),
    async headers() {
      client ??= clientOf(settings, library);
      const headers = Object.fromEntries(await (await client).getRequestHeaders());
      const { billingProject } = settings;
      return { ...headers, ...(billingProject !== undefined && { "x-goog-user-project": billingProject }) };
    },
  };
}

async function clientOf(
  { credentials, accessToken, impersonateServiceAccount }: ConnectionSettings,
  { GoogleAuth, Impersonated, OAuth2Client }: typeof authLibrary,
): Promise<authLibrary.AuthClient> {
  const scopes = impersonateServiceAccount === undefined ? SCOPE : SCOPE_TO_IMPERSONATE;
  let client: authLibrary.AuthClient;
  if (accessToken !== undefined) {
    client = new OAuth2Client();
    client.setCredentials({ access_token: accessToken });
  } else if (credentials === undefined) client = await new GoogleAuth({ scopes }).getClient();
  else if (credentials.trimStart().startsWith("{"))
    client = await new GoogleAuth({ scopes, credentials: parse(credentials) }).getClient();
  else client = await new GoogleAuth({ scopes, keyFilename: credentials }).getClient();
  if (impersonateServiceAccount === undefined) return client;
  return new Impersonated({
    sourceClient: client,
    targetPrincipal: impersonateServiceAccount,
    targetScopes: [SCOPE],
    delegates: [],
  });
}

function parse(credentials: string): object {
  try {
    return JSON.parse(credentials) as object;
  } catch {
    // Nothing of it is quoted: it is a key.
    throw new VisibleError(
      "The credentials for Google Cloud are not valid JSON. Copy the whole key file into `gcp:credentials`, or set it to the file's path.",
    );
  }
}

/** Loaded when it is first needed: whoever stays at home does not have it. */
function loadLibrary(): typeof authLibrary {
  try {
    // oxlint-disable-next-line typescript/no-require-imports
    return require("google-auth-library") as typeof authLibrary;
  } catch (error) {
    if ((error as { code?: unknown }).code !== "MODULE_NOT_FOUND") throw error;
    throw new VisibleError(
      "Google's library for credentials is not installed, which the upload to Google Cloud needs. Run: npm install @pulumi/gcp google-auth-library",
    );
  }
}
