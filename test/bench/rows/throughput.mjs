// What a server does in a second.
import { run } from "../../../scripts/lib/process.mjs";
import { protocolOf } from "../applications.mjs";
import { Guest } from "../guest.mjs";
import { guest as nic } from "../network.mjs";
import { benchmarkRedis, firstAnswer } from "../probe.mjs";
import { median } from "../statistics.mjs";
import { receive, send } from "../stream.mjs";

const memory = 256;
const seconds = 4;
/** Requests before a server is measured: the compilers that work while it runs, its own and QEMU's, have then done the same for either system. */
const warmUpRequests = 2000;
const timeoutMs = 120_000;

async function load(connections, duration) {
  const answer = await run(
    "wrk",
    ["-t1", `-c${connections}`, `-d${duration}`, "--timeout=10", `http://${nic.address}:8080/`],
    {
      quiet: true,
    },
  );
  const failures = /Socket errors: (.*)|Non-2xx or 3xx responses: (.*)/.exec(answer);
  if (failures) throw new Error(`wrk met failures with ${connections} connections: ${failures[0]}`);
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(answer)?.[1]);
}

/**
 * A system's figure of each load, all of one boot; the systems are measured in turn.
 * @param {[name: string, measure: () => Promise<number>][]} loads
 * @returns {Promise<Map<string, { value: number, values: number[] }[]>>} By the name of the load, of each system.
 */
async function underLoad(application, loads, systems, { rounds, ...bench }, warmUp) {
  const boots = await Promise.all(systems.map((system) => system.boot(application)));
  const values = new Map(loads.map(([name]) => [name, systems.map(() => [])]));
  for (let round = 0; round < rounds; round++) {
    for (const [i, boot] of boots.entries()) {
      const machine = new Guest(boot, { ...bench, memory });
      try {
        if (!(await firstAnswer(machine, timeoutMs, protocolOf(application))))
          throw new Error(`The guest did not answer:\n${machine.lastWords()}`);
        await warmUp();
        for (const [name, measure] of loads) values.get(name)[i].push(await measure());
      } finally {
        await machine.stop();
      }
    }
  }
  const figures = (each) => each.map((list) => ({ value: median(list), values: list }));
  return new Map([...values].map(([name, each]) => [name, figures(each)]));
}

async function warmUp(connections) {
  for (let done = 0; done < warmUpRequests;) done += await load(connections, 1);
}

/** Requests per second with each number of connections. */
export function requestsPerSecond(application, connectionCounts, cpus, systems, bench) {
  const loads = connectionCounts.map((connections) => [connections, () => load(connections, seconds)]);
  return underLoad(application, loads, systems, { ...bench, cpus }, () => warmUp(connectionCounts[0]));
}

/** Commands per second from 50 connections; the same number of them with each depth of a pipeline would take too long or too short. */
async function redisCommands(command, pipeline) {
  const count = pipeline === 1 ? 10_000 : 50_000;
  const options = ["-t", command, "-n", String(count), "-P", String(pipeline)];
  const csv = await benchmarkRedis(timeoutMs, ...options);
  const rate = new RegExp(`^"${command.toUpperCase()}","([\\d.]+)"`, "m").exec(csv)?.[1];
  if (!rate) throw new Error(`redis-benchmark said no rate of ${command}: ${csv}`);
  return Number(rate);
}

/** @param {[command: string, pipeline: number][]} kinds */
export function redisRates(kinds, systems, bench) {
  const loads = kinds.map(([command, pipeline]) => [`${command}:${pipeline}`, () => redisCommands(command, pipeline)]);
  return underLoad("redis", loads, systems, bench, () => benchmarkRedis(timeoutMs, "-t", "set", "-n", "2000"));
}

/** Megabytes per second of one connection, as the guest sees it. */
export function streamRates(systems, bench) {
  const loads = [
    ["out", () => receive(seconds)],
    ["in", () => send(seconds)],
  ];
  return underLoad("stream", loads, systems, bench, () => receive(1));
}
