import type * as pulumi from "@pulumi/pulumi";
import { LocalInstance, type LocalInstanceArgs } from "./dynamic/local-instance.js";
import type { Instance as AnyInstance, Target, TargetInstanceArgs } from "./target.js";

/** What every instance has, wherever it runs. */
export type Instance = AnyInstance;

/** What an instance runs, with how much, and where. */
export type InstanceArgs = LocalInstanceArgs & {
  /** Where to run it. Default: on this machine. */
  target?: Target | undefined;
};

/** The ways to make an instance, by where it is to run. */
export interface InstanceConstructor {
  /** On this machine. */
  new (
    name: string,
    args: LocalInstanceArgs & { target?: undefined },
    opts?: pulumi.CustomResourceOptions,
  ): LocalInstance;
  /** At the target, whose own kind of instance it is. */
  new <I extends AnyInstance>(
    name: string,
    args: TargetInstanceArgs & { target: Target<I> },
    opts?: pulumi.ComponentResourceOptions,
  ): I;
  /** Wherever the program decides; what only this machine takes (`machine`, `timeouts`) is for this machine only. */
  new (name: string, args: InstanceArgs, opts?: pulumi.ComponentResourceOptions): AnyInstance;
}

/**
 * A virtual machine that runs an image and nothing else: on this machine, as a {@link LocalInstance}, or where `target` says.
 *
 * ```ts
 * const web = new unikernel.Instance("web", {
 *   image,
 *   ports: [8080],
 *   env: { DATABASE_URL: database.url },
 * });
 * export const url = web.url;
 * ```
 */
export const Instance = class {
  constructor(name: string, { target, ...args }: InstanceArgs, opts?: pulumi.CustomResourceOptions) {
    // A constructor may return another object: `new` gives what runs there, and the state names it as such.
    if (target === undefined) return new LocalInstance(name, args, opts);
    const { machine: _machine, timeouts: _timeouts, ...anywhere } = args;
    return target.createInstance(name, anywhere, opts);
  }
} as unknown as InstanceConstructor;
