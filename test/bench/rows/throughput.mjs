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

/** Requests per second of each system with so many connections. */
export async function requestsPerSecond(application, connections, systems, bench) {
  const values = systems.map(() => []);
  for (let round = 0; round < bench.rounds; round++) {
    for (const [i, system] of systems.entries()) {
      const machine = new Guest(await system.boot(application), { ...bench, memory });
      try {
        if (!(await firstAnswer(machine, 120_000)))
          throw new Error(`The guest did not answer:\n${machine.lastWords()}`);
        await load(connections, 1);
        values[i].push(await load(connections, seconds));
      } finally {
        await machine.stop();
      }
    }
  }
  return values.map((each) => ({ value: median(each), values: each }));
}
