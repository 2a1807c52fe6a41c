import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { errorCode, VisibleError } from "../../errors.js";

/** What to log in to a registry with. */
export type Credentials =
  | { username: string; password: string }
  /** A token that is exchanged for others (OAuth 2). */
  | { identityToken: string };

interface DockerConfig {
  auths?: Record<string, { auth?: string; username?: string; password?: string; identitytoken?: string }>;
  credsStore?: string;
  credHelpers?: Record<string, string>;
}

/** Under this name Docker keeps the credentials of Docker Hub. */
const DOCKER_HUB_KEY = "https://index.docker.io/v1/";
const HELPER_TIMEOUT_MS = 60_000;

/** A user name that says that the password is an identity token. */
const TOKEN_USER = "<token>";

/**
 * Looks for a registry's credentials where `docker login` puts them: `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`, or
 * the credential helper that is named there.
 */
export async function findCredentials(registry: string): Promise<Credentials | undefined> {
  const path = join(process.env["DOCKER_CONFIG"] ?? join(homedir(), ".docker"), "config.json");
  let config: DockerConfig;
  try {
    config = JSON.parse(await readFile(path, "utf8")) as DockerConfig;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    if (!(error instanceof SyntaxError)) throw error;
    throw new VisibleError(`Docker's configuration "${path}" is not JSON: ${error.message}.`);
  }
  const key = registry === "docker.io" ? DOCKER_HUB_KEY : registry;
  const helper = config.credHelpers?.[registry] ?? config.credHelpers?.[key] ?? config.credsStore;
  const fromHelper = helper ? await askHelper(helper, key) : undefined;
  return fromHelper ?? fromFile(config, key);
}

function fromFile(config: DockerConfig, key: string): Credentials | undefined {
  const host = (text: string): string => text.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
  const entries = Object.entries(config.auths ?? {});
  const entry = (entries.find(([name]) => name === key) ?? entries.find(([name]) => host(name) === host(key)))?.[1];
  if (!entry) return undefined;
  if (entry.identitytoken) return { identityToken: entry.identitytoken };
  if (entry.username !== undefined && entry.password !== undefined) {
    return { username: entry.username, password: entry.password };
  }
  const decoded = Buffer.from(entry.auth ?? "", "base64").toString("utf8");
  const colon = decoded.indexOf(":");
  if (colon < 0) return undefined;
  return { username: decoded.slice(0, colon), password: decoded.slice(colon + 1).replace(/\0+$/, "") };
}

/**
 * Runs a credential helper.
 *
 * @see https://github.com/docker/docker-credential-helpers
 */
async function askHelper(helper: string, key: string): Promise<Credentials | undefined> {
  const program = `docker-credential-${helper}`;
  const { code, output } = await run(program, ["get"], key);
  if (code !== 0) {
    if (/credentials not found/i.test(output)) return undefined;
    throw new VisibleError(
      `The credential helper "${program}" of Docker's configuration failed for ${key}: ${output.trim() || `exit status ${code}`}.`,
    );
  }
  try {
    const { Username, Secret } = JSON.parse(output) as { Username: string; Secret: string };
    return Username === TOKEN_USER ? { identityToken: Secret } : { username: Username, password: Secret };
  } catch {
    throw new VisibleError(
      `The credential helper "${program}" of Docker's configuration gave no credentials for ${key}.`,
    );
  }
}

async function run(program: string, args: string[], input: string): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"], timeout: HELPER_TIMEOUT_MS });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => (output += chunk));
    child.on("error", (error) => {
      const missing = ["ENOENT", "EACCES"].includes(errorCode(error) ?? "");
      reject(
        missing
          ? new VisibleError(
              `The credential helper "${program}" that Docker's configuration names is not installed, or not executable.`,
            )
          : error,
      );
    });
    child.on("close", (code) => resolve({ code, output }));
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
  });
}
