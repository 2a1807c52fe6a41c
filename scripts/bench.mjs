// `npm run bench`: this kernel beside Debian's, on the same files and the same virtual machine.
//
//   npm run bench [-- ROW…]                       only rows whose name begins so: boot, boot:c, memory, requests:go, size, build, upload, disk,
//                                                 handover
//   npm run bench -- profile APPLICATION [time] [linux] [REQUESTS]
//                                                 where the instructions, or the time, of its boot and requests go
import path from "node:path";
import { debianKernel } from "../test/bench/linux/kernel.mjs";
import { build } from "./build.mjs";
import { buildGuests } from "./build-guests.mjs";
import { exampleFolder, inRoot } from "./lib/paths.mjs";
import { run } from "./lib/process.mjs";
import { main } from "./lib/terminal.mjs";
import { setup } from "./setup.mjs";

await main(async () => {
  const { rust } = await setup("bench");
  await build(rust);
  await buildGuests();
  await run(process.execPath, [path.join(exampleFolder, "make-image.mjs")]);
  const kernel = JSON.stringify(await debianKernel());
  // Root makes a network namespace as it is, anybody else in a user namespace.
  const namespace = process.getuid() === 0 ? ["--net"] : ["--net", "--user", "--map-root-user"];
  const [first, ...rest] = process.argv.slice(2);
  const [part, args] = first === "profile" ? ["profile/main.mjs", rest] : ["main.mjs", process.argv.slice(2)];
  await run("unshare", [...namespace, process.execPath, inRoot("test", "bench", part), kernel, ...args]);
});
