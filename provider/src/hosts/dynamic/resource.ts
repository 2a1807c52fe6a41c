import * as pulumi from "@pulumi/pulumi";
import { CONTEXT_KEY, type WireContext } from "./handler.js";
import { dynamicType } from "./wire.js";

/** Inputs of which any part may be another resource's output. Documentation of the properties carries over. */
export type Inputs<T> = T extends object ? { [K in keyof T]: pulumi.Input<Inputs<T[K]>> } : T;

/** The modules that hold the operations, by the resources' tokens. */
const HANDLERS = {
  "unikernel:index:Image": "image",
  "unikernel:index:Instance": "instance",
  "unikernel:aws:DiskObject": "aws-object",
  "unikernel:aws:Snapshot": "aws-snapshot",
  "unikernel:gcp:DiskObject": "gcp-object",
};

/**
 * A resource whose operations run in Pulumi's dynamic provider host, loaded from this package by name. Nothing of the program is
 * serialized: the state holds a line of code that finds the operations, the same for every program.
 */
export abstract class DynamicResource extends pulumi.CustomResource {
  protected constructor(
    token: keyof typeof HANDLERS,
    name: string,
    props: Record<string, unknown>,
    opts: pulumi.CustomResourceOptions | undefined,
    credentials?: pulumi.Input<object>,
  ) {
    const context: pulumi.Inputs = {
      organization: organization(),
      project: pulumi.getProject(),
      stack: pulumi.getStack(),
      name,
      preview: pulumi.runtime.isDryRun(),
      parent: opts?.parent && urnOf(opts.parent),
      credentials,
    } satisfies Record<keyof WireContext, unknown>;
    const provider = `exports.handler = () => require("pulumi-unikernel/dynamic/${HANDLERS[token]}");`;
    super(dynamicType(token), name, { ...props, [CONTEXT_KEY]: context, __provider: provider }, opts);
  }
}

/**
 * The URN as a mere promise. As an output it would make the resource depend on its parent, and so, if that is a component, on all of that's children,
 * of which it is one.
 */
function urnOf(parent: pulumi.Resource): Promise<string> {
  return new Promise((resolve) => void parent.urn.apply(resolve));
}

/** A program's unit tests need not name one. */
function organization(): string {
  try {
    return pulumi.getOrganization();
  } catch {
    return "";
  }
}
