import * as pulumi from "@pulumi/pulumi";
import type { Digest } from "../../image/index.js";
import type { ImageInputs, ImageOutputs } from "../../resources/image-properties.js";
import { DynamicResource, type Inputs } from "./resource.js";

/** What an {@link Image} is made of, and how its application is to be started. */
export type ImageArgs = Inputs<ImageInputs>;

/**
 * An image of one application, with the kernel that it runs on.
 *
 * It is built into the cache of this machine (`$XDG_CACHE_HOME/unikernel`), in `pulumi preview` too, so that a preview shows whether the
 * image changes (`digest: sha256:… => sha256:…`) and fails when it cannot be built. The same source gives the same digest on any machine.
 *
 * ```ts
 * const image = new unikernel.Image("web", {
 *   source: { container: "./image" },
 *   env: { RACK_ENV: "production" },
 * });
 * ```
 *
 * Fails when the source cannot be made into an image: it does not exist, is for another machine, lacks a library, has no command, …; the message
 * says which.
 */
export class Image extends DynamicResource implements Outputs<ImageOutputs> {
  /** Identity of the image: covers every byte of its disk and of its kernel. */
  declare readonly digest: pulumi.Output<Digest>;
  /** Size of the disk in bytes. */
  declare readonly size: pulumi.Output<number>;
  /** The processor that the image runs on: `x86_64`. */
  declare readonly architecture: pulumi.Output<string>;
  /** The application's command line. */
  declare readonly commandLine: pulumi.Output<string[]>;
  /** Version of the kernel that the image is started with. */
  declare readonly kernelVersion: pulumi.Output<string>;
  /** Ports that the container says it listens on, such as `8080/tcp`. */
  declare readonly exposedPorts: pulumi.Output<string[]>;

  /**
   * @param name - Name of the resource in the stack.
   * @param args - What the image is made of.
   * @param opts - How Pulumi treats the resource.
   */
  constructor(name: string, args: ImageArgs, opts?: pulumi.CustomResourceOptions) {
    const { source, env, command, args: rest } = args;
    const outputs = {
      digest: undefined,
      size: undefined,
      architecture: undefined,
      commandLine: secretWhen([source, command, rest]),
      kernelVersion: undefined,
      exposedPorts: undefined,
    };
    super("unikernel:index:Image", name, { ...outputs, ...args }, opts);
    void this.#warnOfSecrets({ source, env, command, args: rest });
  }

  async #warnOfSecrets(inputs: Record<string, pulumi.Input<unknown>>): Promise<void> {
    const names = Object.keys(inputs);
    // An input that fails has failed the resource as well.
    const secret = await Promise.all(names.map((name) => holdsSecret(inputs[name]).catch(() => false)));
    const found = names.filter((_, i) => secret[i]).map((name) => `"${name}"`);
    if (found.length === 0) return;
    await pulumi.log.warn(
      `The secret in ${found.join(" and ")} becomes part of the image, where whoever has the image can read it. Give it to the instance instead, by its "env", "files" or "command".`,
      this,
    );
  }
}

function holdsSecret(input: pulumi.Input<unknown>): Promise<boolean> {
  return pulumi.isSecret(pulumi.output(input));
}

/** What an output is to begin with, for the engine to keep it as a secret when one of these inputs, which it is made of, holds one. */
async function secretWhen(inputs: pulumi.Input<unknown>[]): Promise<pulumi.Output<null> | undefined> {
  return (await holdsSecret(inputs)) ? pulumi.secret(null) : undefined;
}

/** The digest of an image that may be given by it. Not by `instanceof`: a program may have this package twice. */
export function digestOf(image: Image | pulumi.Input<string>): pulumi.Input<string> {
  return pulumi.CustomResource.isInstance(image) && "digest" in image ? image.digest : image;
}

type Outputs<T> = { [K in keyof T]: pulumi.Output<T[K]> };
