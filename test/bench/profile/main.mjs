// Says where the CPU is until an application answers, and how much a request takes. Runs in the benchmark's network namespace.
//
//   main.mjs KERNEL APPLICATION [count|blocks|time] [linux] [N-cpus] [get:16|set:16…] [REQUESTS]
//                                                                  KERNEL is Debian's, as JSON; commands are redis's
//   main.mjs KERNEL operations NAME [linux] [N-cpus]               what is counted by `bench operations`
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { kernelWithSymbols } from "../../../scripts/build-kernel.mjs";
import { main, VisibleError } from "../../../scripts/lib/terminal.mjs";
import { applications, protocolOf } from "../applications.mjs";
import { Guest } from "../guest.mjs";
import { setUpNetwork } from "../network.mjs";
import { probe } from "../place.mjs";
import { ask, benchmarkRedis, firstAnswer, redis } from "../probe.mjs";
import { operationProfile } from "../rows/operations.mjs";
import { linux, unikernel } from "../systems.mjs";
import { buildPlugin } from "./plugin.mjs";
import { byFunction } from "./symbols.mjs";

const memory = 256;
const timeoutMs = 300_000;
const connections = 16;
const shown = 60;
/** The time between two samples, as the plugin takes them. */
const sampleMicroseconds = 200;

/** Ends QEMU so that the plugin can write what it has. */
async function quit(machine, folder) {
  const socket = net.connect(path.join(folder, "qmp"));
  // QEMU closes it in the middle of what it says.
  socket.on("error", () => {});
  socket.write('{"execute":"qmp_capabilities"}\n{"execute":"quit"}\n');
  await machine.ended;
}

/** Boots, asks, and returns what the plugin wrote. */
async function profile(boot, { cpus, protocol, load }, plugin, mode, requests, folder) {
  const out = path.join(folder, "profile");
  const guestFolder = path.join(folder, "guest");
  fs.mkdirSync(guestFolder, { recursive: true });
  const extra = [...(boot.extra ?? []), "-plugin", `${plugin},mode=${mode},out=${out}`];
  const { qboot } = await probe(folder);
  const machine = new Guest({ ...boot, extra }, { memory, cpus, accelerator: "tcg", qboot, folder: guestFolder });
  if (!(await firstAnswer(machine, timeoutMs, protocol))) throw new VisibleError(`No answer:\n${machine.lastWords()}`);
  if (requests > 0) await load(machine, requests);
  await quit(machine, guestFolder);
  return parse(fs.readFileSync(out, "utf8"));
}

/** What the plugin wrote: the special ones by name, the blocks of user mode and of the kernel. */
function parse(written) {
  const result = { idle: 0, translation: 0, user: 0, kernel: 0, blocks: [] };
  for (const line of written.trim().split("\n")) {
    const [where, amount] = line.split(" ");
    if (where in result) {
      result[where] += Number(amount);
      continue;
    }
    const address = BigInt(`0x${where}`);
    const inKernel = address >> 63n === 1n;
    result[inKernel ? "kernel" : "user"] += Number(amount);
    if (inKernel) result.blocks.push({ address, amount: Number(amount) });
  }
  return result;
}

/** From a word such as `4-cpus`. */
const cpusOf = (words) => Number(/\b(\d+)-cpus\b/.exec(words.join(" "))?.[1] ?? 1);

/** How the application is asked: redis by its own commands and so many of them in a pipeline, the others by HTTP. */
function askingOf(application, words) {
  const [protocol, cpus] = [protocolOf(application), cpusOf(words)];
  if (protocol !== redis)
    return { cpus, protocol, load: (machine, requests) => ask(machine, requests, connections, timeoutMs) };
  const [command, pipeline] = (words.find((word) => /^[gs]et(:\d+)?$/.test(word)) ?? "get").split(":");
  const options = ["-t", command, "-P", pipeline ?? "1"];
  return {
    cpus,
    protocol,
    load: (_machine, requests) => benchmarkRedis(timeoutMs, "-n", String(requests), ...options),
  };
}

const millions = (amount) => `${(amount / 1e6).toFixed(1)} M`;
const absolute = (amount, mode) => ({ count: `${millions(amount)}, `, blocks: `${amount}, ` })[mode] ?? "";
const share = (amount, all) => `${((100 * amount) / all).toFixed(1)} %`;

function print(title, { idle, translation, user, kernel, blocks }, mode, ofLinux) {
  const all = idle + translation + user + kernel;
  // Firmware and the kernel's first steps run at low addresses, as user mode does.
  const parts = { "user mode and firmware": user, kernel, ...(mode === "time" && { translation, idle }) };
  const cells = Object.entries(parts).map(([name, amount]) => `${name} ${absolute(amount, mode)}${share(amount, all)}`);
  console.log(`\n${title}: ${cells.join("; ")}`);
  if (ofLinux) return;
  for (const { name, amount } of byFunction(blocks, kernelWithSymbols).slice(0, shown))
    console.log(`  ${share(amount, all).padStart(7)}  ${name}`);
}

/** Says what a request takes: what there is more of than until the first answer, function by function. */
function printRequest(title, answer, more, requests, mode, ofLinux) {
  const [unit, worth] = {
    count: ["instructions", 1],
    blocks: ["blocks translated", 1],
    time: ["µs", sampleMicroseconds],
  }[mode];
  const one = (after, before = 0) => (((after - before) * worth) / requests).toFixed(1);
  const [user, kernel] = ["user", "kernel"].map((part) => one(more[part], answer[part]));
  console.log(`\nA request of ${title}, of ${requests}: ${user} ${unit} in user mode, ${kernel} in the kernel`);
  if (ofLinux) return;
  // The kernel lies elsewhere at each boot, so that only names can be compared.
  const before = new Map(byFunction(answer.blocks, kernelWithSymbols).map(({ name, amount }) => [name, amount]));
  const gained = ({ name, amount }) => ({ name, amount: amount - (before.get(name) ?? 0) });
  const functions = byFunction(more.blocks, kernelWithSymbols).map(gained);
  for (const { name, amount } of functions.sort((a, b) => b.amount - a.amount).slice(0, shown))
    console.log(`  ${one(amount).padStart(9)}  ${name}`);
}

/** Says what one operation takes, function by function. */
async function printOperation(system, wanted, cpus, ofLinux, plugin, folder) {
  const found = await operationProfile(system, wanted, plugin, folder, cpus);
  if (!found) throw new VisibleError(`No operation begins with "${wanted}": npm run bench -- operations names them.`);
  const { user, kernel, blocks } = parse(found.written);
  const one = (amount) => (amount / found.times).toFixed(1);
  console.log(
    `\n${found.name} on ${system.title}: ${one(user)} instructions in user mode, ${one(kernel)} in the kernel`,
  );
  if (ofLinux) return;
  for (const { name, amount } of byFunction(blocks, kernelWithSymbols).slice(0, shown))
    console.log(`  ${one(amount).padStart(9)}  ${name}`);
}

await main(async () => {
  const [kernel, application, ...rest] = process.argv.slice(2);
  if (!(application in applications))
    throw new VisibleError(
      `What shall be profiled? There is ${Object.keys(applications).join(", ")}: npm run bench -- profile ruby [count|blocks|time] [linux] [REQUESTS]`,
    );
  const mode = ["blocks", "time"].find((word) => rest.includes(word)) ?? "count";
  const ofLinux = rest.includes("linux");
  const requests = Number(rest.find((argument) => /^\d+$/.test(argument)) ?? 0);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "unikernel-profile-"));
  process.once("exit", () => fs.rmSync(folder, { recursive: true, force: true }));
  setUpNetwork(folder);
  const plugin = await buildPlugin(folder);
  const system = ofLinux ? linux(JSON.parse(kernel), folder) : unikernel();
  if (application === "operations") {
    const wanted = rest.filter((word) => word !== "linux" && !/^\d+-cpus$/.test(word)).join(" ");
    await printOperation(system, wanted, cpusOf(rest), ofLinux, plugin, folder);
    process.exit();
  }
  const boot = await system.boot(application);
  const asking = askingOf(application, rest);
  const answer = await profile(boot, asking, plugin, mode, 0, folder);
  print(`${application} on ${system.title}, until the first answer`, answer, mode, ofLinux);
  if (requests > 0) {
    const more = await profile(boot, asking, plugin, mode, requests, folder);
    printRequest(`${application} on ${system.title}`, answer, more, requests, mode, ofLinux);
  }
  process.exit();
});
