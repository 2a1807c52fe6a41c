import { AsyncResource } from "node:async_hooks";
import * as pulumi from "@pulumi/pulumi";
import type { DiskObject, DiskObjectArgs } from "../hosts/dynamic/gcp-object.js";
import { digestOf } from "../hosts/dynamic/image.js";
import { ensureObject, removeObject, type CheckedObject, type ObjectContext } from "../resources/gcp/object.js";

/** Makes the hooks' names differ: those of images with the same name and other parents, too. */
let hooks = 0;

/**
 * What happens around the making of an image of an object that is not to stay: the object is there before, whatever the reason for another
 * image, and is gone after.
 *
 * @param args - What the object was made with.
 */
export function whileMakingAnImage(object: DiskObject, args: DiskObjectArgs): pulumi.ResourceHookBinding {
  const { credentials, image, ...rest } = args;
  const inputs = pulumi.output({ ...rest, image: digestOf(image), name: object.name }) as pulumi.Output<CheckedObject>;
  const work =
    (what: (inputs: CheckedObject, context: ObjectContext) => Promise<unknown>) => async (): Promise<void> => {
      const context: ObjectContext = {
        // Who ends the program ends this with it.
        signal: new AbortController().signal,
        status: (message) => void pulumi.log.info(message, object, undefined, true),
        config: (key) => pulumi.runtime.getConfig(key),
        credentials: await known(pulumi.output(credentials)),
      };
      await what(await known(inputs), context);
    };
  // A program's unit tests have an engine that calls nothing back, and would wait for it without end.
  if (!("registerResourceHook" in (pulumi.runtime.getMonitor() ?? {}))) return {};
  // The engine calls back from outside; bound, the work finds the program's configuration and its log.
  const hook = (name: string, callback: () => Promise<void>): pulumi.ResourceHook[] => [
    new pulumi.ResourceHook(`unikernel-gcp-image-${hooks++}-${name}`, AsyncResource.bind(callback)),
  ];
  return {
    beforeCreate: hook("ensure-object", work(ensureObject)),
    afterCreate: hook("remove-object", work(removeObject)),
  };
}

function known<T>(output: pulumi.Output<T>): Promise<T> {
  return new Promise((resolve) => void output.apply(resolve));
}
