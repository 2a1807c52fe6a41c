import { AsyncResource } from "node:async_hooks";
import * as pulumi from "@pulumi/pulumi";
import type { Context } from "../resources/resource.js";

/** What a step takes of its context. */
type StepContext = Pick<Context, "signal" | "status" | "config" | "credentials">;

/** How to see that an object is in its bucket, and that it is not. */
export interface Staging<Inputs> {
  ensure: (inputs: Inputs, context: StepContext) => Promise<unknown>;
  remove: (inputs: Inputs, context: StepContext) => Promise<unknown>;
}

/** Makes the hooks' names differ: those of resources with the same name and other parents, too. */
let hooks = 0;

/**
 * What happens around the making of something of an object that is not to stay: the object is there before, whatever the reason for
 * making it again, and is gone after.
 *
 * @param object - The resource that the steps are shown with.
 * @param inputs - What the object was made with.
 */
export function whileStaged<Inputs>(
  object: pulumi.Resource,
  inputs: pulumi.Output<Inputs>,
  credentials: pulumi.Input<object | undefined> | undefined,
  { ensure, remove }: Staging<Inputs>,
): pulumi.ResourceHookBinding {
  const work = (step: Staging<Inputs>["ensure"]) => async (): Promise<void> => {
    const context: StepContext = {
      // Who ends the program ends this with it.
      signal: new AbortController().signal,
      status: (message) => void pulumi.log.info(message, object, undefined, true),
      config: (key) => pulumi.runtime.getConfig(key),
      credentials: await known(pulumi.output(credentials)),
    };
    await step(await known(inputs), context);
  };
  // A program's unit tests have an engine that calls nothing back, and would wait for it without end.
  if (!("registerResourceHook" in (pulumi.runtime.getMonitor() ?? {}))) return {};
  // The engine calls back from outside; bound, the work finds the program's configuration and its log.
  const hook = (name: string, callback: () => Promise<void>): pulumi.ResourceHook[] => [
    new pulumi.ResourceHook(`unikernel-staging-${hooks++}-${name}`, AsyncResource.bind(callback)),
  ];
  return { beforeCreate: hook("ensure-object", work(ensure)), afterCreate: hook("remove-object", work(remove)) };
}

function known<T>(output: pulumi.Output<T>): Promise<T> {
  return new Promise((resolve) => void output.apply(resolve));
}
