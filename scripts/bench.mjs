// `npm run bench`: this kernel beside Debian's, on the same files and the same virtual machine.
//
//   npm run bench [-- ROW…]                       only rows whose name begins so: boot, boot:c, memory, requests:go, redis, stream, size,
//                                                 operations, scaling, build, upload, disk, handover
//   npm run bench -- profile APPLICATION [blocks|time] [linux] [N-cpus] [get:16|set:16…] [REQUESTS]
//                                                 where the instructions, or the time, of its boot and requests go
//   npm run bench -- profile operations NAME [linux] [N-cpus]
//                                                 where those of an operation go, such as "pipe"
import path from "node:path";
import { definitions } from "../test/bench/images.mjs";
import { build } from "./build.mjs";
import { buildContainers } from "./build-containers.mjs";
import { buildGuests } from "./build-guests.mjs";
import { runBesideLinux } from "./lib/beside-linux.mjs";
import { exampleFolder, inRoot } from "./lib/paths.mjs";
import { run } from "./lib/process.mjs";
import { main } from "./lib/terminal.mjs";
import { setup } from "./setup.mjs";

await main(async () => {
  const { rust } = await setup("bench");
  await build(rust);
  await buildGuests();
  await buildContainers();
  await buildContainers(definitions);
  await run(process.execPath, [path.join(exampleFolder, "make-image.mjs")]);
  const [first, ...rest] = process.argv.slice(2);
  const [part, args] = first === "profile" ? ["profile/main.mjs", rest] : ["main.mjs", process.argv.slice(2)];
  await runBesideLinux(inRoot("test", "bench", part), args);
});
