import * as pulumi from "@pulumi/pulumi";
import { expect } from "vitest";

/** What a program asked the engine for. */
export interface Registered {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
  provider: string | undefined;
}

type Properties = Record<string, unknown>;

/** Stands for the engine that a program runs against: each resource gets an id after its name. */
export class MockedProgram {
  readonly registered: Registered[] = [];
  /** What was asked of functions: the token and the arguments. */
  readonly called: { token: string; args: Properties }[] = [];

  /**
   * @param outputs - What resources have beyond their inputs, by their types.
   * @param answers - What functions answer, by their tokens. Whatever else is called is an error.
   */
  constructor(
    readonly outputs: Record<string, Properties>,
    readonly answers: Record<string, Properties>,
  ) {}

  /** From now on resources are made here. */
  async begin(): Promise<this> {
    await pulumi.runtime.setMocks(
      {
        newResource: ({ type, name, inputs, provider }: pulumi.runtime.MockResourceArgs) => {
          this.registered.push({ type, name, provider, inputs: { ...(inputs as object) } });
          return { id: `${name}-id`, state: { ...(inputs as object), ...this.outputs[type] } };
        },
        call: ({ token, inputs }) => {
          this.called.push({ token, args: { ...(inputs as object) } });
          const answer = this.answers[token];
          if (answer === undefined) throw new Error(`nobody said what ${token} answers`);
          return answer;
        },
      },
      "shop",
      "dev",
    );
    return this;
  }

  /** Waits until the program has registered as many resources of this type. */
  async resources(type: string, count = 1): Promise<Registered[]> {
    await expect.poll(() => this.registered.filter((resource) => resource.type === type)).toHaveLength(count);
    return this.registered.filter((resource) => resource.type === type);
  }
}

/** The value of an output. Unlike what `apply` gives, this rejects where the output does. */
export function value<T>(output: pulumi.Output<T>): Promise<T> {
  return (output as unknown as { promise(): Promise<T> }).promise();
}
