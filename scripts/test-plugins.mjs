// `npm run test:plugins`: deploys by the real provider plugins of the clouds, as far as they can be built here, to servers on this machine.
import { build } from "./build.mjs";
import { inRoot } from "./lib/paths.mjs";
import { main, VisibleError } from "./lib/terminal.mjs";
import { setup } from "./setup.mjs";
import { vitest } from "./test/runners.mjs";
import { cloudPlugins } from "./tools/cloud-plugins.mjs";

await main(async () => {
  const { rust, env } = await setup("plugins");
  await build(rust);
  for (const [name, folder] of Object.entries(await cloudPlugins()))
    env[`UNIKERNEL_PLUGIN_${name.toUpperCase()}`] = folder;
  const { passed, failed } = await vitest(inRoot("test", "plugins"), env, (text) => process.stdout.write(text));
  if (passed === 0 || failed > 0)
    throw new VisibleError(`${failed} of ${passed + failed} tests with real plugins failed.`);
});
