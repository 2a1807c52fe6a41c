import { createHash } from "node:crypto";
import * as path from "node:path";
import type { Identity } from "./resource.js";

/** Names of instances: they become folder names. */
export const INSTANCE_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;

/**
 * The name of an instance that the program leaves open. The same resource of the same stack always gets the same one, so that a guest
 * whose `pulumi up` was killed before it could save its state is found again.
 */
export function automaticName(identity: Identity, baseDir: string): string {
  const scope = [stackScope(baseDir), identity.organization, identity.project, identity.stack, identity.name];
  const suffix = createHash("sha256").update(JSON.stringify(scope)).digest("hex").slice(0, 8);
  const readable = identity.name.replaceAll(/[^A-Za-z0-9_.-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "");
  return `${readable.slice(0, 48) || "instance"}-${suffix}`;
}

/** Tells apart stacks of the same name that different backends keep: by the backend where the environment names it, else by the project's folder. */
function stackScope(baseDir: string): string {
  const backend = process.env["PULUMI_BACKEND_URL"] ?? "";
  const relative = /^file:\/\/(?!\/)/.test(backend);
  return backend === "" || relative ? path.resolve(baseDir) : backend;
}
