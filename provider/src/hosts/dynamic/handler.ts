import type * as dynamic from "@pulumi/pulumi/dynamic";
import { VisibleError } from "../../image/index.js";
import { PartialFailure, type Context, type Identity, type ResourceDefinition } from "../../resources/resource.js";
import { Engine } from "./engine.js";
import { decode, dynamicType, encode, PROVIDER_KEY, URN_KEY } from "./wire.js";

type Properties = Record<string, unknown>;

/** The input by which the resource classes pass on what Pulumi does not tell dynamic providers. It is never kept in the state. */
export const CONTEXT_KEY = "__context";

/** What the classes pass on. */
export interface WireContext extends Omit<Identity, "parentType"> {
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
  /** What `check` learnt of each resource, by its URN, for the operations that follow it. */
  const learnt = new Map<string, Learnt>();
  let config: dynamic.Config | undefined;

  /** Runs an operation on properties as the engine sent them. */
  function run<T>(
    properties: Properties,
    work: (context: Context) => Promise<T>,
    { urn = urnOf(properties), preview = false }: { urn?: string | undefined; preview?: boolean | undefined } = {},
  ): Promise<T> {
    const { identity, credentials } = learnt.get(urn ?? "") ?? {};
    return engine
      .whileAlive(async (signal) =>
        work({
          signal,
          confirm: () => engine.confirm(),
          status: (message) => engine.log(message, "info", { urn, ephemeral: true }),
          notice: (message, severity) => engine.log(message, severity, { urn, ephemeral: false }),
          preview,
          baseDir: process.cwd(),
          identity,
          urn,
          config: (key) => config?.get(key),
          credentials,
        }),
      )
      .catch((error: unknown) => {
        throw presentable(error, properties);
      });
  }

  return {
    async configure(request) {
      config = request.config;
    },

    async check(olds: Properties | undefined, news: Properties) {
      const { [CONTEXT_KEY]: given, ...inputs } = decode(news);
      const wire = given as WireContext | undefined;
      const urn = wire && urnFrom(wire, definition.token);
      if (wire && urn) learnt.set(urn, { identity: identityFrom(wire), credentials: wire.credentials });
      const old = decode(olds ?? {}) as Partial<State>;
      const work = (context: Context) => definition.check(old, inputs, context);
      const result = await run(news, work, { urn, preview: wire?.preview });
      return { inputs: withUrn(encode(result.inputs), urn), failures: result.failures };
    },

    async diff(id: string, olds: Properties, news: Properties) {
      const inputs = decode(news) as Inputs;
      const old = decode(olds) as State;
      return run(news, (context) => definition.diff(id, old, inputs, context));
    },

    async create(properties: Properties) {
      const inputs = decode(properties) as Inputs;
      const work = (context: Context) => definition.create(inputs, context);
      const { id, state } = await run(properties, work);
      return { id, outs: withUrn(encode(state), urnOf(properties)) };
    },

    async read(id: string, properties: Properties = {}) {
      const state = decode(properties) as State;
      const work = (context: Context) => definition.read(id, state, context);
      const found = await run(properties, work);
      // An empty id tells the engine that the resource is gone.
      return found === undefined ? { id: "", props: {} } : { id, props: withUrn(encode(found), urnOf(properties)) };
    },

    async update(id: string, olds: Properties, news: Properties) {
      const inputs = decode(news) as Inputs;
      const old = decode(olds) as State;
      const work = (context: Context) => definition.update(id, old, inputs, context);
      return { outs: withUrn(encode(await run(news, work)), urnOf(news)) };
    },

    async delete(id: string, properties: Properties) {
      const state = decode(properties) as State;
      await run(properties, (context) => definition.delete(id, state, context));
    },
  };
}

interface Learnt {
  identity: Identity;
  credentials: unknown;
}

/** The URN that is kept with the properties; those of an older version have none. */
function urnOf(properties: Properties): string | undefined {
  return properties[URN_KEY] as string | undefined;
}

function withUrn(properties: Properties, urn: string | undefined): Properties {
  return urn === undefined ? properties : { ...properties, [URN_KEY]: urn };
}

function identityFrom({ organization, project, stack, name, parent }: WireContext): Identity {
  const parentType = parent?.split("::")[2];
  return { organization, project, stack, name, ...(parentType !== "pulumi:pulumi:Stack" && { parentType }) };
}

/** The URN of a resource, from its parent's. */
function urnFrom(context: WireContext, token: string): string {
  const { project, stack, name, parentType } = identityFrom(context);
  const type = dynamicType(token);
  const qualified = parentType === undefined ? type : `${parentType}$${type}`;
  return `urn:pulumi:${stack}::${project}::${qualified}::${name}`;
}

/** An error as Pulumi's host shows it best: it prints the stack of whatever it catches, and packs a partial failure by its properties. */
function presentable(error: unknown, properties: Properties): unknown {
  if (error instanceof PartialFailure) {
    return Object.assign(new VisibleError(error.message), {
      id: error.id,
      // Only what succeeds gets back the line that the provider is found by.
      properties: { ...withUrn(encode(error.state), urnOf(properties)), [PROVIDER_KEY]: properties[PROVIDER_KEY] },
      reasons: [error.message],
      stack: "",
    });
  }
  if (error instanceof VisibleError) error.stack = "";
  return error;
}
