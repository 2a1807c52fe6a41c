import { VisibleError } from "../../image/index.js";
import type { AssumedRole } from "../../targets/aws/index.js";
import type { Context } from "../resource.js";

const KEY = "aws:assumeRoles";
const WEB_IDENTITY = "aws:assumeRoleWithWebIdentity";

/** What can be said of a role, as `@pulumi/aws` takes it. */
type ConfiguredRole = Omit<AssumedRole, "durationSeconds"> & { duration?: string };

const KNOWN = new Set<string>([
  "duration",
  "externalId",
  "policy",
  "policyArns",
  "roleArn",
  "sessionName",
  "sourceIdentity",
  "tags",
  "transitiveTagKeys",
] satisfies (keyof ConfiguredRole)[]);

/**
 * The roles that the stack's configuration says to take on, each with the credentials of the one before.
 *
 * @throws {VisibleError} when it says what cannot be done here: the upload would go to another account than the rest.
 */
export function configuredRoles({ config }: Pick<Context, "config">): AssumedRole[] {
  if (config(WEB_IDENTITY) !== undefined) {
    throw new VisibleError(
      `The upload to AWS does not know the stack's \`${WEB_IDENTITY}\`. Set AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE in its place, which hold for everything.`,
    );
  }
  const text = config(KEY);
  if (text === undefined) return [];
  const roles = parse(text);
  if (!Array.isArray(roles)) throw new VisibleError(`The stack's \`${KEY}\` is not a list of roles.`);
  return roles.map((role, index) => roleOf(role, `${KEY}[${index}]`));
}

function roleOf(given: unknown, place: string): AssumedRole {
  const { duration, ...role } = (given ?? {}) as ConfiguredRole;
  if (typeof role.roleArn !== "string")
    throw new VisibleError(`The stack's \`${place}\` names no role: set its \`roleArn\`.`);
  const unknown = Object.keys(role).find((key) => !KNOWN.has(key));
  if (unknown !== undefined)
    throw new VisibleError(`The upload to AWS does not know the stack's \`${place}.${unknown}\`. Remove it.`);
  if (duration === undefined) return role;
  const durationSeconds = secondsOf(duration);
  if (durationSeconds === undefined)
    throw new VisibleError(`The stack's \`${place}.duration\` must be a time such as 1h30m; "${duration}" is not.`);
  return { ...role, durationSeconds };
}

const UNITS: Record<string, number> = { h: 3600, m: 60, s: 1, ms: 1e-3, us: 1e-6, µs: 1e-6, ns: 1e-9 };

/** Of a duration as Go writes it, like `1h30m`. */
function secondsOf(duration: string): number | undefined {
  if (!/^(\d+(\.\d+)?(h|m|s|ms|us|µs|ns))+$/.test(duration)) return undefined;
  const parts = [...duration.matchAll(/([\d.]+)([a-zµ]+)/g)];
  return Math.round(parts.reduce((sum, [, count, unit = ""]) => sum + Number(count) * (UNITS[unit] ?? 0), 0));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
