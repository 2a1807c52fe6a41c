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
  const { organization, project, stack, name, parentType } = identity;
  // Resources of the same name may be told apart by their parents alone.
  const parent = parentType === undefined ? [] : [parentType];
  const suffix = scopedDigest(baseDir, organization, project, stack, name, ...parent);
  const readable = name.replaceAll(/[^A-Za-z0-9_.-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "");
  return `${readable.slice(0, 48) || "instance"}-${suffix}`;
}

/** Whose an instance is, as a person knows them. It is compared with what was written for the same resource by earlier versions. */
export function ownerOf({ organization, project, stack, name, parentType }: Identity, baseDir: string): string {
  const resource = parentType === undefined ? name : `${parentType}$${name}`;
  return `"${resource}" of the stack ${organization}/${project}/${stack} in ${stackScope(baseDir)}`;
}

/** A few letters that stand for these words on this machine, in stacks of the same backend. */
export function scopedDigest(baseDir: string, ...words: string[]): string {
  const scope = JSON.stringify([stackScope(baseDir), ...words]);
  return createHash("sha256").update(scope).digest("hex").slice(0, 8);
}

/** Tells apart stacks of the same name that different backends keep: by the backend where the environment names it, else by the project's folder. */
function stackScope(baseDir: string): string {
  const backend = process.env["PULUMI_BACKEND_URL"] ?? "";
  const relative = /^file:\/\/(?!\/)/.test(backend);
  return backend === "" || relative ? path.resolve(baseDir) : backend;
}
