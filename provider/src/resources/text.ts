import { INSTANCE_NAME } from "./instance-name.js";
import type { CheckFailure } from "./resource.js";

/** What a text has to look like, in a pattern and in words that follow "must be". */
export type TextForm = readonly [pattern: RegExp, words: string];

/** Of an input that takes an image. */
export const IMAGE_FORM: TextForm = [/^sha256:[0-9a-f]{64}$/, "an Image, or its digest (sha256:…)"];
/** Of the name of something that the provider makes. */
export const NAME_FORM: TextForm = [
  INSTANCE_NAME,
  'a letter or digit, then letters, digits, "-", "_" or ".", 63 at most',
];

/** What is wrong with texts, in the order of their forms. What is no text, and so unknown values, passes. */
export function checkTexts(
  inputs: Record<string, unknown>,
  forms: { readonly [property: string]: TextForm },
): CheckFailure[] {
  return Object.entries(forms).flatMap(([property, [pattern, words]]) => {
    const value = inputs[property];
    if (typeof value !== "string" || pattern.test(value)) return [];
    return [{ property, reason: `"${property}" must be ${words}; "${value}" is not.` }];
  });
}
