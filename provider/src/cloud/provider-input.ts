import * as pulumi from "@pulumi/pulumi";

/**
 * What a provider was given, or undefined. Of the provider's own output that is not to be had in a preview: there it is unknown, too, when the
 * provider was given nothing, and whatever is made with it would seem to change.
 */
export function providerInput<T>(output: pulumi.Output<T>): pulumi.Output<T | undefined> {
  // Declared for Pulumi's own packages only.
  const { isKnown } = output as unknown as { isKnown: Promise<boolean> };
  return pulumi.output(isKnown.then((known) => (known ? output : undefined))) as pulumi.Output<T | undefined>;
}
