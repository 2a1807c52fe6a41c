import { randomUUID } from "node:crypto";

/**
 * Tells a resource from others that are the same thing outside, such as an object of the same name. When the engine makes a replacement of
 * its own accord (`--target-replace`, `pulumi state taint`), it creates it of the same inputs, and deletes the former state afterwards.
 */
export interface Incarnation {
  /** What older versions have created has none. */
  incarnation?: string | undefined;
}

/** The newest incarnation of each thing that this process has created. The engine has one process for all of an update. */
const newest = new Map<string, string>();

/** Notes that a resource was created of this thing. */
export function noteCreated(thing: string): Required<Incarnation> {
  const incarnation = randomUUID();
  newest.set(thing, incarnation);
  return { incarnation };
}

/** Whether another resource has been created of this thing since, so that it is to stay. */
export function isReplaced(thing: string, { incarnation }: Incarnation): boolean {
  return newest.has(thing) && newest.get(thing) !== incarnation;
}
