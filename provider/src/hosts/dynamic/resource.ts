import * as pulumi from "@pulumi/pulumi";
import { CONTEXT_KEY, type WireContext } from "./handler.js";

/** Inputs of which any part may be another resource's output. Documentation of the properties carries over. */
export type Inputs<T> = T extends object ? { [K in keyof T]: pulumi.Input<Inputs<T[K]>> } : T;

/**
 * A resource whose operations run in Pulumi's dynamic provider host, loaded from this package by name. Nothing of the program is
 * serialized: the state holds a line of code that finds the operations, the same for every program.
 */
export abstract class DynamicResource extends pulumi.CustomResource {
  protected constructor(
    kind: "Image" | "Instance",
    name: string,
    props: Record<string, unknown>,
    opts: pulumi.CustomResourceOptions | undefined,
  ) {
    const context: pulumi.Inputs = {
      organization: pulumi.getOrganization(),
      project: pulumi.getProject(),
      stack: pulumi.getStack(),
      name,
      preview: pulumi.runtime.isDryRun(),
      parent: opts?.parent?.urn,
    } satisfies Record<keyof WireContext, unknown>;
    const provider = `exports.handler = () => require("pulumi-unikernel/dynamic/${kind.toLowerCase()}");`;
    super(
      `pulumi-nodejs:dynamic/unikernel:${kind}`,
      name,
      { ...props, [CONTEXT_KEY]: context, __provider: provider },
      opts,
    );
  }
}
