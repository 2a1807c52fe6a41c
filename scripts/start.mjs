// The main job: installs what is missing, builds the kernel and the provider, makes the example's container image, and
// runs `pulumi up` on the example. Arguments go to `pulumi up`:
//
//   npm start -- --config ruby-container:port=9000
import path from "node:path";
import { build } from "./build.mjs";
import { ensureStack, pulumiOnExample, stack, stackOutputs } from "./lib/example.mjs";
import { exampleFolder } from "./lib/paths.mjs";
import { run } from "./lib/process.mjs";
import { bold, main } from "./lib/terminal.mjs";
import { setup } from "./setup.mjs";

await main(async () => {
  const { rust, env } = await setup("start");
  await build(rust);
  await run(process.execPath, [path.join(exampleFolder, "make-image.mjs")]);
  await ensureStack(env);
  // With a refresh, so that a guest that has died since the last time (the machine was restarted, say) is started again.
  await pulumiOnExample(["up", "--yes", "--refresh", "--stack", stack, ...process.argv.slice(2)], env);
  const { url, consoleLog } = stackOutputs(env);
  console.log(`
Ruby, Puma and Sinatra answer from a VM without Linux: ${bold(url)}

  curl ${url}
  tail -f ${consoleLog}
  npm run stop            takes it down again
`);
});
