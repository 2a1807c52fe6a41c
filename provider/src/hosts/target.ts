import type * as pulumi from "@pulumi/pulumi";
import type { InstanceInputs } from "../resources/instance-properties.js";
import type { Image } from "./dynamic/image.js";
import type { Inputs } from "./dynamic/resource.js";

/** What every instance has, wherever it runs. */
export interface Instance extends pulumi.Resource {
  /** Address and port at which the first port is reached: `127.0.0.1:8080`. Without ports there is none. */
  readonly address: pulumi.Output<string | undefined>;
  /** URL of the first TCP port: `http://127.0.0.1:8080`. Without one there is none. */
  readonly url: pulumi.Output<string | undefined>;
}

/** What an instance runs, and with how much, wherever it runs. */
export type TargetInstanceArgs = Inputs<
  Pick<InstanceInputs, "name" | "memory" | "cpus" | "ports" | "env" | "command" | "hostname" | "files">
> & {
  /** The image to run, or its digest. */
  image: Image | pulumi.Input<string>;
};

/** A place for instances that is not this machine. Packages of clouds make them. */
export interface Target<I extends Instance = Instance> {
  /** Adds to the stack what runs an image there. Whoever makes an `Instance` with this target gets what it returns. */
  createInstance(name: string, args: TargetInstanceArgs, opts?: pulumi.ComponentResourceOptions): I;
}
