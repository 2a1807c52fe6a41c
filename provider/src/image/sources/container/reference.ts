import { VisibleError } from "../../errors.js";
import { isLoopback } from "../../http.js";

/** A reference to an image in a registry, with Docker's defaults filled in. */
export interface Reference {
  /** As the user wrote it. */
  text: string;
  /** Host and port of the registry, such as `docker.io` or `localhost:5000`. */
  registry: string;
  /** Where its API is. */
  origin: string;
  repository: string;
  tag?: string;
  digest?: string;
}

const DEFAULT_REGISTRY = "docker.io";
const DEFAULT_REGISTRY_HOST = "registry-1.docker.io";

const COMPONENT = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const REPOSITORY = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/**
 * Reads a reference: `[registry/]repository[:tag][@digest]`.
 *
 * @see https://github.com/distribution/reference
 */
export function parseReference(text: string): Reference {
  const invalid = (reason: string): VisibleError =>
    new VisibleError(
      `"${text}" is not an image reference: ${reason}. Write it as [registry/]repository[:tag], or write a path with "./" before it.`,
    );
  const [name = "", digest, ...more] = text.split("@");
  if (more.length > 0 || (digest !== undefined && !DIGEST.test(digest))) {
    throw invalid("what follows the @ is not a SHA-256 digest");
  }
  const slash = name.indexOf("/");
  const first = name.slice(0, Math.max(0, slash));
  const hasRegistry = first === "localhost" || /[.:]|[A-Z]/.test(first);
  const registry = hasRegistry ? first : DEFAULT_REGISTRY;
  const rest = hasRegistry ? name.slice(slash + 1) : name;
  const colon = rest.lastIndexOf(":");
  const path = colon < 0 ? rest : rest.slice(0, colon);
  const tag = colon < 0 ? undefined : rest.slice(colon + 1);
  if (tag !== undefined && !TAG.test(tag)) throw invalid(`"${tag}" is not a tag`);
  const isDockerHub = registry === DEFAULT_REGISTRY || registry === "index.docker.io";
  const repository = isDockerHub && !path.includes("/") ? `library/${path}` : path;
  if (!REPOSITORY.test(repository)) throw invalid(`"${path}" is not the name of a repository (they are in lower case)`);

  const host = isDockerHub ? DEFAULT_REGISTRY_HOST : registry;
  let origin: string;
  try {
    // Registries on this host are spoken to without TLS, as Docker does.
    origin = new URL(`${isLoopback(host.replace(/:\d+$/, "")) ? "http" : "https"}://${host}`).origin;
  } catch {
    throw invalid(`"${registry}" is not a host`);
  }
  return {
    text,
    registry: isDockerHub ? DEFAULT_REGISTRY : registry,
    origin,
    repository,
    ...(tag !== undefined || digest === undefined ? { tag: tag ?? "latest" } : {}),
    ...(digest !== undefined ? { digest } : {}),
  };
}
