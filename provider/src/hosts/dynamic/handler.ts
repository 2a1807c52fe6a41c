import type * as dynamic from "@pulumi/pulumi/dynamic";
import { VisibleError } from "../../image/index.js";
import { PartialFailure, type Context, type Identity, type ResourceDefinition } from "../../resources/resource.js";
import { Engine } from "./engine.js";
import { decode, dynamicType, encode, PROVIDER_KEY } from "./wire.js";

type Properties = Record<string, unknown>;

/** The input by which the resource classes pass on what Pulumi does not tell dynamic providers. It is never kept in the state. */
export const CONTEXT_KEY = "__context";

/** What the classes pass on. */
export interface WireContext extends Identity {
  preview: boolean;
  /** URN of the parent. */
  parent?: string;
  credentials?: unknown;
}

/** Makes a resource definition into what Pulumi's dynamic provider host calls. */
export function dynamicProvider<Inputs extends object, State extends Inputs>(
  definition: ResourceDefinition<Inputs, State>,
  engine: Engine = Engine.fromArguments(),
): dynamic.ResourceProvider {
  /** What `check` learnt of each resource, for the operations that follow it. */
  const learnt = new Map<string, Learnt>();
  let config: dynamic.Config | undefined;

  /** Runs an operation on properties as the engine sent them. */
  function run<T>(
    properties: Properties,
    { urn, credentials }: Learnt,
    given: WireContext | undefined,
    work: (context: Context) => Promise<T>,
  ): Promise<T> {
    return engine
      .whileAlive(async (signal) =>
        work({
          signal,
          status: (message) => engine.log(message, "info", { urn, ephemeral: true }),
          notice: (message, severity) => engine.log(message, severity, { urn, ephemeral: false }),
          preview: given?.preview ?? false,
          baseDir: process.cwd(),
          identity: given,
          config: (key) => config?.get(key),
          credentials,
        }),
      )
      .catch((error: unknown) => {
        throw presentable(error, properties);
      });
  }

  /** What `check` saw the same inputs under. */
  const keyOf = (inputs: object): string =>
    JSON.stringify((inputs as { name?: unknown }).name ?? (inputs as { digest?: unknown }).digest);
  const learntOf = (inputs: object): Learnt => learnt.get(keyOf(inputs)) ?? {};

  return {
    async configure(request) {
      config = request.config;
    },

    async check(olds: Properties | undefined, news: Properties) {
      const { [CONTEXT_KEY]: given, ...inputs } = decode(news);
      const wire = given as WireContext | undefined;
      const now: Learnt = wire ? { urn: urnFrom(wire, definition.token), credentials: wire.credentials } : {};
      const old = decode(olds ?? {}) as Partial<State>;
      const result = await run(news, now, wire, (context) => definition.check(old, inputs, context));
      if (wire) learnt.set(keyOf(result.inputs), now);
      return { inputs: encode(result.inputs), failures: result.failures };
    },

    async diff(id: string, olds: Properties, news: Properties) {
      const inputs = decode(news) as Inputs;
      const old = decode(olds) as State;
      return run(news, learntOf(inputs), undefined, (context) => definition.diff(id, old, inputs, context));
    },

    async create(properties: Properties) {
      const inputs = decode(properties) as Inputs;
      const work = (context: Context) => definition.create(inputs, context);
      const { id, state } = await run(properties, learntOf(inputs), undefined, work);
      return { id, outs: encode(state) };
    },

    async read(id: string, properties: Properties = {}) {
      const state = decode(properties) as State;
      const work = (context: Context) => definition.read(id, state, context);
      const found = await run(properties, learntOf(state), undefined, work);
      // An empty id tells the engine that the resource is gone.
      return found === undefined ? { id: "", props: {} } : { id, props: encode(found) };
    },

    async update(id: string, olds: Properties, news: Properties) {
      const inputs = decode(news) as Inputs;
      const old = decode(olds) as State;
      const work = (context: Context) => definition.update(id, old, inputs, context);
      return { outs: encode(await run(news, learntOf(inputs), undefined, work)) };
    },

    async delete(id: string, properties: Properties) {
      const state = decode(properties) as State;
      await run(properties, learntOf(state), undefined, (context) => definition.delete(id, state, context));
    },
  };
}

interface Learnt {
  /** Only the display needs it. */
  urn?: string;
  credentials?: unknown;
}

/** The URN of a resource, from its parent's. */
function urnFrom(context: WireContext, token: string): string {
  const type = dynamicType(token);
  const parentType = context.parent?.split("::")[2];
  const qualified = parentType === undefined || parentType === "pulumi:pulumi:Stack" ? type : `${parentType}$${type}`;
  return `urn:pulumi:${context.stack}::${context.project}::${qualified}::${context.name}`;
}

/** An error as Pulumi's host shows it best: it prints the stack of whatever it catches, and packs a partial failure by its properties. */
function presentable(error: unknown, properties: Properties): unknown {
  if (error instanceof PartialFailure) {
    return Object.assign(new VisibleError(error.message), {
      id: error.id,
      // Only what succeeds gets back the line that the provider is found by.
      properties: { ...encode(error.state), [PROVIDER_KEY]: properties[PROVIDER_KEY] },
      reasons: [error.message],
      stack: "",
    });
  }
  if (error instanceof VisibleError) error.stack = "";
  return error;
}
