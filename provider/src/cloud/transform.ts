import type * as pulumi from "@pulumi/pulumi";

/**
 * Changes what an underlying resource is made with: inputs that take the place of those that it would have, or a function that changes its inputs and
 * options, or returns others.
 */
export type Transform<Args> =
  Partial<Args> | ((args: Args, opts: pulumi.CustomResourceOptions, name: string) => Args | undefined | void);

/** The arguments of a resource's constructor, after the transform. */
export function transformed<Args extends object>(
  transform: Transform<Args> | undefined,
  name: string,
  args: Args,
  opts: pulumi.CustomResourceOptions,
): [name: string, args: Args, opts: pulumi.CustomResourceOptions] {
  if (typeof transform !== "function") return [name, { ...args, ...transform }, opts];
  const [changedArgs, changedOpts] = [{ ...args }, { ...opts }];
  return [name, transform(changedArgs, changedOpts, name) ?? changedArgs, changedOpts];
}
