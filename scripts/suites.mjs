// `npm run suites`: the test suites of others, in a guest of this kernel and in one of Debian's on the same virtual machine.
//
//   npm run suites -- SUITE [--here] [MODULE…]     without modules, all of them; writes test/suites/SUITE/RESULTS.md. With --here, what
//                                                  passes on Linux is not found out again where it is known
import { suites } from "../test/suites/suites.mjs";
import { build } from "./build.mjs";
import { buildContainers } from "./build-containers.mjs";
import { runBesideLinux } from "./lib/beside-linux.mjs";
import { inRoot } from "./lib/paths.mjs";
import { main, VisibleError } from "./lib/terminal.mjs";
import { setup } from "./setup.mjs";

await main(async () => {
  const [name, ...modules] = process.argv.slice(2);
  if (!(name in suites))
    throw new VisibleError(
      `Name a suite: \`npm run suites -- SUITE [--here] [MODULE…]\`. There is: ${Object.keys(suites).join(", ")}.`,
    );
  const { rust } = await setup("suites");
  await build(rust);
  await buildContainers(suites[name].definitions);
  await runBesideLinux(inRoot("test/suites/main.mjs"), [name, ...modules]);
});
