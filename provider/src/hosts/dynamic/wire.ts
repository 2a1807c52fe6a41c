import { UNKNOWN } from "../../resources/values.js";

/** How the engine writes a value that is not known yet. */
const UNKNOWN_SENTINEL = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
/** The key that marks an object as a special value of Pulumi's, and the mark of a secret. */
const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";

/** The key that Pulumi's own dynamic provider host keeps its bookkeeping under. */
export const PROVIDER_KEY = "__provider";
/** The key that the URN is kept under: dynamic providers are told a resource's properties, and not which one it is. */
export const URN_KEY = "__urn";

/** The type that a dynamic resource has in the state: `pulumi-nodejs:dynamic/unikernel:Image`. It can never change. */
export function dynamicType(token: string): string {
  const [, module, name] = token.split(":");
  return `pulumi-nodejs:dynamic/unikernel${module === "index" ? "" : `/${module}`}:${name}`;
}

/** Values as resources see them, from values as the engine sends them. */
export function decode(properties: Record<string, unknown>): Record<string, unknown> {
  const { [PROVIDER_KEY]: _provider, [URN_KEY]: _urn, ...rest } = properties;
  return decodeValue(rest) as Record<string, unknown>;
}

function decodeValue(value: unknown): unknown {
  if (value === UNKNOWN_SENTINEL) return UNKNOWN;
  if (Array.isArray(value)) return value.map(decodeValue);
  if (typeof value !== "object" || value === null) return value;
  if ((value as Record<string, unknown>)[SIGNATURE] === SECRET) return decodeValue((value as { value: unknown }).value);
  return Object.fromEntries(
    Object.entries(value)
      // A property that the program left undefined may come as null.
      .filter(([, inner]) => inner !== null)
      .map(([key, inner]) => [key, decodeValue(inner)]),
  );
}

/** Values as the engine takes them. */
export function encode(properties: object): Record<string, unknown> {
  return encodeValue(properties) as Record<string, unknown>;
}

function encodeValue(value: unknown): unknown {
  if (value === UNKNOWN) return UNKNOWN_SENTINEL;
  if (Array.isArray(value)) return value.map(encodeValue);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .map(([key, inner]) => [key, encodeValue(inner)]),
  );
}
