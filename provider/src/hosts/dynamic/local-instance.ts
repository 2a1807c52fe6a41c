import type * as pulumi from "@pulumi/pulumi";
import type { InstanceInputs, InstanceOutputs, InstancePort } from "../../resources/instance-properties.js";
import { digestOf, type Image } from "./image.js";
import { DynamicResource, type Inputs } from "./resource.js";

/** What a {@link LocalInstance} runs, and with how much. */
export type LocalInstanceArgs = Inputs<Omit<InstanceInputs, "image">> & {
  /** The image to run, or its digest. */
  image: Image | pulumi.Input<string>;
};

/**
 * A virtual machine on this host that runs an image and nothing else. QEMU runs it as a process of its own: it goes on after
 * `pulumi up` has ended, until it is changed or destroyed.
 *
 * ```ts
 * const web = new unikernel.Instance("web", {
 *   image,
 *   memory: "128 MiB",
 *   ports: [{ guest: 8080, host: 8080 }],
 *   env: { DATABASE_URL: database.url },
 * });
 * export const url = web.url;
 * ```
 *
 * Creating waits until the application listens on every port. If it ends before, or takes longer than `timeouts.start`, creating fails with the last
 * lines of the console; the next update tries again. Another image or another name replaces the instance, the old one first, because
 * both would have the same ports; any other change starts it anew, as an update. `pulumi refresh` finds out whether it still runs, and the
 * next update starts it again if it does not.
 *
 * Fails when QEMU is missing or too old, when a host port is taken, and when the memory is too small for the image. An instance that
 * ran before runs on then.
 */
export class LocalInstance extends DynamicResource implements Outputs<InstanceOutputs> {
  /** The ports, with every host port chosen. */
  declare readonly ports: pulumi.Output<InstancePort[]>;
  /** Host address and port of the first port: `127.0.0.1:8080`. Without ports there is none. */
  declare readonly address: pulumi.Output<string | undefined>;
  /** URL of the first TCP port: `http://127.0.0.1:8080`. Without one there is none. */
  declare readonly url: pulumi.Output<string | undefined>;
  /**
   * `running`; `exited`, when the application has ended with status 0; `failed`, when it or its guest has ended in any other way. As of the last
   * `pulumi up` or `pulumi refresh`.
   */
  declare readonly state: pulumi.Output<"running" | "exited" | "failed">;
  /** Exit status of the application, as a shell gives it (128 plus the signal's number when a signal ended it). Only when it has ended. */
  declare readonly exitCode: pulumi.Output<number | undefined>;
  /** Why it has ended. */
  declare readonly reason: pulumi.Output<string | undefined>;
  /**
   * Path of the file that holds all that the guest has written to its console. Home and state folder are written as a shell expands them. After
   * the guest was started anew, `console.log.1` beside it holds what the one before it wrote.
   */
  declare readonly consoleLog: pulumi.Output<string>;

  /**
   * @param name - Name of the resource in the stack.
   * @param args - What to run.
   * @param opts - How Pulumi treats the resource.
   */
  constructor(name: string, args: LocalInstanceArgs, opts?: pulumi.CustomResourceOptions) {
    const outputs = {
      address: undefined,
      url: undefined,
      state: undefined,
      exitCode: undefined,
      reason: undefined,
      consoleLog: undefined,
    };
    super(
      "unikernel:index:Instance",
      name,
      { ports: undefined, ...outputs, ...args, image: digestOf(args.image) },
      opts,
    );
  }
}

type Outputs<T> = { [K in keyof Required<T>]: pulumi.Output<T[K]> };
