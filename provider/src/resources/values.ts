/** Stands for a value that is only known once another resource has been created. It can be anywhere in the inputs. */
export const UNKNOWN: unique symbol = Symbol("unknown");

/** Whether a value is, or anywhere holds, {@link UNKNOWN}. */
export function hasUnknown(value: unknown): boolean {
  if (value === UNKNOWN) return true;
  if (typeof value !== "object" || value === null) return false;
  return Object.values(value).some(hasUnknown);
}

/** The places in the inputs whose value is unknown, as a person would write them: `env.GREETING`. */
export function unknownPlaces(value: unknown, place = ""): string[] {
  if (value === UNKNOWN) return [place];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    unknownPlaces(inner, placeOf(place, key, Array.isArray(value))),
  );
}

/** The place of a member: `ports[0]`, `env.GREETING`. */
export function placeOf(place: string, key: string | number, inArray: boolean): string {
  if (inArray) return `${place}[${key}]`;
  return place === "" ? String(key) : `${place}.${key}`;
}

/** Inputs of which any part may be unknown. */
export type Pending<T> = T extends object ? { [K in keyof T]: Pending<T[K]> | typeof UNKNOWN } : T | typeof UNKNOWN;

/** Whether two values are the same data. {@link UNKNOWN} equals nothing, not even itself. */
export function sameData(a: unknown, b: unknown): boolean {
  if (a === UNKNOWN || b === UNKNOWN) return false;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null)
    return (a ?? undefined) === (b ?? undefined);
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].every((key) => sameData((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]));
}

/** What a change of inputs means: those of `forGood` need another resource, those of `alterable` an update of the one that is there. */
export function compareInputs<T>(
  old: T,
  news: T,
  forGood: readonly (keyof T & string)[],
  alterable: readonly (keyof T & string)[],
): { changes: boolean; replaces: string[]; deleteBeforeReplace: false } {
  const differs = (key: keyof T): boolean => !sameData(old[key], news[key]);
  const replaces = forGood.filter(differs);
  return { changes: replaces.length > 0 || alterable.some(differs), replaces, deleteBeforeReplace: false };
}
