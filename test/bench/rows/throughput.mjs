// Requests per second on one CPU.
import { run } from "../../../scripts/lib/process.mjs";
import { Guest } from "../guest.mjs";
import { guest as nic } from "../network.mjs";
import { firstAnswer } from "../probe.mjs";
import { median } from "../statistics.mjs";

const memory = 256;
const seconds = 4;

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
 * Requests per second with each number of connections: the figures of each system, measured in turn. One guest serves all
 * the numbers of a round.
 */
export async function requestsPerSecond(application, connectionCounts, systems, bench) {
  const boots = await Promise.all(systems.map((system) => system.boot(application)));
  const values = new Map(connectionCounts.map((connections) => [connections, systems.map(() => [])]));
  for (let round = 0; round < bench.rounds; round++) {
    for (const [i, boot] of boots.entries()) {
      const machine = new Guest(boot, { ...bench, memory });
      try {
        if (!(await firstAnswer(machine, 120_000)))
          throw new Error(`The guest did not answer:\n${machine.lastWords()}`);
        await load(connectionCounts[0], 1);
        for (const connections of connectionCounts) values.get(connections)[i].push(await load(connections, seconds));
      } finally {
        await machine.stop();
      }
    }
  }
  const figures = (each) => each.map((list) => ({ value: median(list), values: list }));
  return new Map([...values].map(([connections, each]) => [connections, figures(each)]));
}
