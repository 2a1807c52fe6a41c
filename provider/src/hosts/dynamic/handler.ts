import type * as dynamic from "@pulumi/pulumi/dynamic";
import { VisibleError } from "../../image/index.js";
import { PartialFailure, type Context, type Identity, type ResourceDefinition } from "../../resources/resource.js";
import { Engine } from "./engine.js";
import { decode, encode } from "./wire.js";

/** The input by which the resource classes pass on what Pulumi does not tell dynamic providers. It is never kept in the state. */
export const CONTEXT_KEY = "__context";

/** What the classes pass on. */
export interface WireContext extends Identity {
  preview: boolean;
  /** URN of the parent. */
  parent?: string;
}

/** Makes a resource definition into what Pulumi's dynamic provider host calls. */
export function dynamicProvider<Inputs extends object, State extends Inputs>(
  definition: ResourceDefinition<Inputs, State>,
  engine: Engine = Engine.fromArguments(),
): dynamic.ResourceProvider {
  /** URNs by resource name, learnt in `check`, which always comes first. Only the display needs them. */
  const urns = new Map<string, string>();

  function run<T>(
    urn: string | undefined,
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
        }),
      )
      .catch((error: unknown) => {
        throw presentable(error);
      });
  }

  /** What `check` saw the same inputs under. */
  const urnKey = (inputs: object): string =>
    JSON.stringify((inputs as { name?: unknown }).name ?? (inputs as { digest?: unknown }).digest);
  const urnOf = (inputs: object): string | undefined => urns.get(urnKey(inputs));

  return {
    async check(olds, news) {
      const { [CONTEXT_KEY]: given, ...inputs } = decode(news as Record<string, unknown>);
      const wire = given as WireContext | undefined;
      const urn = wire && urnFrom(wire, definition.token);
      const result = await run(urn, wire, (context) =>
        definition.check(decode((olds ?? {}) as Record<string, unknown>) as Partial<State>, inputs, context),
      );
      if (urn !== undefined) urns.set(urnKey(result.inputs), urn);
      return { inputs: encode(result.inputs), failures: result.failures };
    },

    async diff(id, olds, news) {
      const inputs = decode(news as Record<string, unknown>) as Inputs;
      return run(urnOf(inputs), undefined, (context) =>
        definition.diff(id, decode(olds as Record<string, unknown>) as State, inputs, context),
      );
    },

    async create(inputs) {
      const decoded = decode(inputs as Record<string, unknown>) as Inputs;
      const { id, state } = await run(urnOf(decoded), undefined, (context) => definition.create(decoded, context));
      return { id, outs: encode(state) };
    },

    async read(id, props) {
      const state = decode((props ?? {}) as Record<string, unknown>) as State;
      const found = await run(urnOf(state), undefined, (context) => definition.read(id, state, context));
      // An empty id tells the engine that the resource is gone.
      return found === undefined ? { id: "", props: {} } : { id, props: encode(found) };
    },

    async update(id, olds, news) {
      const inputs = decode(news as Record<string, unknown>) as Inputs;
      const old = decode(olds as Record<string, unknown>) as State;
      return {
        outs: encode(await run(urnOf(inputs), undefined, (context) => definition.update(id, old, inputs, context))),
      };
    },

    async delete(id, props) {
      const state = decode((props ?? {}) as Record<string, unknown>) as State;
      await run(urnOf(state), undefined, (context) => definition.delete(id, state, context));
    },
  };
}

/** The URN of a resource, from its parent's. */
function urnFrom(context: WireContext, token: string): string {
  const type = `pulumi-nodejs:dynamic/${token.replace(":index:", ":")}`;
  const parentType = context.parent?.split("::")[2];
  const qualified = parentType === undefined || parentType === "pulumi:pulumi:Stack" ? type : `${parentType}$${type}`;
  return `urn:pulumi:${context.stack}::${context.project}::${qualified}::${context.name}`;
}

/** An error as Pulumi's host shows it best: it prints the stack of whatever it catches, and packs a partial failure by its properties. */
function presentable(error: unknown): unknown {
  if (error instanceof PartialFailure) {
    return Object.assign(new VisibleError(error.message), {
      id: error.id,
      properties: encode(error.state),
      reasons: [error.message],
      stack: "",
    });
  }
  if (error instanceof VisibleError) error.stack = "";
  return error;
}
