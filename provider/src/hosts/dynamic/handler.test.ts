import { expect, test } from "vitest";
import type { Context, ResourceDefinition } from "../../resources/resource.js";
import { Engine } from "./engine.js";
import { CONTEXT_KEY, dynamicProvider } from "./handler.js";

const told: Pick<Context, "urn" | "identity" | "credentials">[] = [];
const tell = ({ urn, identity, credentials }: Context): void => void told.push({ urn, identity, credentials });

/** A resource whose every operation keeps what it was told. */
const definition: ResourceDefinition<object, object> = {
  token: "unikernel:index:Thing",
  check: async (_old, inputs) => ({ inputs, failures: [] }),
  diff: async () => ({ changes: false, replaces: [], deleteBeforeReplace: false }),
  create: async (inputs, context) => {
    tell(context);
    return { id: "thing", state: inputs };
  },
  read: async (_id, state) => state,
  update: async (_id, _old, news, context) => {
    tell(context);
    return news;
  },
  delete: async (_id, _state, context) => tell(context),
};

test("two resources of the same name are told apart by their parents", async () => {
  const provider = dynamicProvider(definition, new Engine(undefined));
  const given = { organization: "acme", project: "shop", stack: "dev", name: "web", preview: false };
  const parents = { stack: "pulumi:pulumi:Stack", back: "shop:index:Backend", front: "shop:index:Frontend" };
  const checked = await Promise.all(
    Object.entries(parents).map(async ([credentials, type]) => {
      const context = { ...given, parent: `urn:pulumi:dev::shop::${type}::parent`, credentials };
      const news = { name: "web", [CONTEXT_KEY]: context };
      return (await provider.check!({}, news)).inputs as object;
    }),
  );
  for (const inputs of checked) {
    await provider.create(inputs);
    await provider.update!("thing", {}, inputs);
  }

  const type = "pulumi-nodejs:dynamic/unikernel:Thing";
  const identity = { organization: "acme", project: "shop", stack: "dev", name: "web" };
  const expected = [
    { urn: `urn:pulumi:dev::shop::${type}::web`, identity, credentials: "stack" },
    ...(["back", "front"] as const).map((credentials) => ({
      urn: `urn:pulumi:dev::shop::${parents[credentials]}$${type}::web`,
      identity: { ...identity, parentType: parents[credentials] },
      credentials,
    })),
  ];
  expect(told).toEqual(expected.flatMap((one) => [one, one]));
});

test("an operation for which no program runs is told of its resource by the state, and does without where an older version wrote it", async () => {
  const provider = dynamicProvider(definition, new Engine(undefined));
  const urn = "urn:pulumi:dev::shop::pulumi-nodejs:dynamic/unikernel:Thing::web";
  const read = await provider.read!("thing", { name: "web", __urn: urn });
  told.length = 0;
  await provider.delete!("thing", read.props);
  await provider.delete!("thing", { name: "web" });

  expect(told.map((context) => context.urn)).toEqual([urn, undefined]);
});
