import type { Context } from "../resource.js";

/** A context that keeps what it is told. */
export function testContext(change: Partial<Context> = {}): Context & { said: string[] } {
  const said: string[] = [];
  return {
    signal: new AbortController().signal,
    confirm: () => Promise.resolve(),
    status: (message) => said.push(message),
    notice: (message) => said.push(message),
    preview: true,
    baseDir: "/nowhere",
    urn: "urn:pulumi:dev::shop::resource::web",
    identity: { organization: "organization", project: "shop", stack: "dev", name: "web" },
    config: () => undefined,
    said,
    ...change,
  };
}
