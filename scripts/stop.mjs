// Takes down what `npm start` brought up: `pulumi destroy` on the example.
import { pulumiOnExample, stack, stackExists } from "./lib/example.mjs";
import { main, VisibleError } from "./lib/terminal.mjs";
import { pulumiEnvironment } from "./setup.mjs";
import { findPulumi } from "./tools/pulumi.mjs";

await main(async () => {
  if (!stackExists()) return console.log("Nothing is running: `npm start` brings the example up.");
  const engine = findPulumi();
  if (!engine)
    throw new VisibleError(
      "The Pulumi engine that brought the example up is gone: run `npm start`, which installs it.",
    );
  await pulumiOnExample(["destroy", "--yes", "--stack", stack], pulumiEnvironment(engine));
});
