import { closest, distance } from "fastest-levenshtein";
import type { CheckFailure } from "./resource.js";
import { objectType, resourceSchema, type PropertySpec } from "./schema.js";
import { placeOf, UNKNOWN } from "./values.js";

/** What is wrong with a program's inputs for this kind of resource, as far as their names and types go. Unknown values pass. */
export function validateInputs(token: string, inputs: Record<string, unknown>): CheckFailure[] {
  const schema = resourceSchema(token);
  const kind = token.split(":").at(-1) ?? token;
  return checkObject(inputs, schema.inputProperties, schema.requiredInputs ?? [], kind, "");
}

function checkObject(
  value: Record<string, unknown>,
  properties: Record<string, PropertySpec>,
  required: readonly string[],
  kind: string,
  place: string,
): CheckFailure[] {
  const failures: CheckFailure[] = [];
  for (const [key, inner] of Object.entries(value)) {
    const spec = properties[key];
    const where = placeOf(place, key, false);
    if (spec === undefined)
      failures.push({
        property: where,
        reason: `${kind} has no input "${where}".${suggestion(key, Object.keys(properties))}`,
      });
    else if (inner !== undefined && inner !== null) failures.push(...checkValue(inner, spec, where));
  }
  for (const key of required) {
    const where = placeOf(place, key, false);
    if (value[key] === undefined || value[key] === null)
      failures.push({ property: where, reason: `"${where}" is missing.` });
  }
  return failures;
}

function checkValue(value: unknown, spec: PropertySpec, place: string): CheckFailure[] {
  if (value === UNKNOWN) return [];
  if (spec.oneOf !== undefined) {
    // The alternative of the value's own form is the one whose complaints help.
    const fitting = spec.oneOf.find((alternative) => formOf(alternative) === formOfValue(value));
    return fitting === undefined ? [wrongForm(value, spec, place)] : checkValue(value, fitting, place);
  }
  if (spec.$ref !== undefined) return checkReference(value, spec, place);
  if (formOf(spec) !== formOfValue(value)) return [wrongForm(value, spec, place)];
  if (spec.type === "integer" && !Number.isInteger(value)) return [wrongForm(value, spec, place)];
  if (spec.items !== undefined) {
    const items = spec.items;
    return (value as unknown[]).flatMap((item, i) => checkValue(item, items, placeOf(place, i, true)));
  }
  if (spec.additionalProperties !== undefined) {
    const values = spec.additionalProperties;
    return Object.entries(value as object).flatMap(([key, inner]) =>
      checkValue(inner, values, placeOf(place, key, false)),
    );
  }
  return [];
}

function checkReference(value: unknown, spec: PropertySpec, place: string): CheckFailure[] {
  const type = objectType(spec.$ref ?? "");
  if (type.enum !== undefined) {
    const allowed = type.enum.map((entry) => entry.value);
    if (typeof value === "string" && allowed.includes(value)) return [];
    const is = typeof value === "string" ? `"${value}"` : nounOfValue(value);
    const hint = typeof value === "string" ? suggestion(value, allowed) : "";
    return [
      {
        property: place,
        reason: `"${place}" must be one of ${allowed.map((entry) => `"${entry}"`).join(", ")}, but is ${is}.${hint}`,
      },
    ];
  }
  if (formOfValue(value) !== "object") return [wrongForm(value, spec, place)];
  return checkObject(
    value as Record<string, unknown>,
    type.properties ?? {},
    type.required ?? [],
    spec.$ref?.split(":").at(-1) ?? "",
    place,
  );
}

function suggestion(word: string, known: readonly string[]): string {
  const nearest = known.length === 0 ? undefined : closest(word, [...known]);
  if (
    nearest !== undefined &&
    distance(word.toLowerCase(), nearest.toLowerCase()) <= Math.max(2, Math.floor(nearest.length / 3))
  )
    return ` Did you mean "${nearest}"?`;
  return ` There is ${known.map((name) => `"${name}"`).join(", ")}.`;
}

/** The form that a value must have: a type of JSON, with integers among the numbers. */
function formOf(spec: PropertySpec): string {
  if (spec.$ref !== undefined) return objectType(spec.$ref).enum === undefined ? "object" : "string";
  return spec.type === "integer" ? "number" : (spec.type ?? "object");
}

function formOfValue(value: unknown): string {
  return Array.isArray(value) ? "array" : typeof value;
}

function wrongForm(value: unknown, spec: PropertySpec, place: string): CheckFailure {
  const expected = (spec.oneOf ?? [spec]).map(nounOf).join(" or ");
  // The value itself stays unsaid: it may be a secret.
  return { property: place, reason: `"${place}" must be ${expected}, but is ${nounOfValue(value)}.` };
}

function nounOf(spec: PropertySpec): string {
  if (spec.type === "integer") return "a whole number";
  return NOUNS[formOf(spec)] ?? formOf(spec);
}

function nounOfValue(value: unknown): string {
  if (typeof value === "number" && !Number.isInteger(value)) return "a fraction";
  return NOUNS[formOfValue(value)] ?? formOfValue(value);
}

const NOUNS: Record<string, string> = {
  string: "a text",
  number: "a number",
  boolean: "true or false",
  array: "a list",
  object: "an object",
};
