// Asking a guest over HTTP.
import { setMaxListeners } from "node:events";
import http from "node:http";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { guest } from "./network.mjs";

const port = 8080;
/**
 * How finely the first answer is timed: to a hundredth, and no finer than this. Each attempt costs the guest a packet received and
 * one sent, so that one every few milliseconds would be a tenth of what a slow boot does.
 */
const finestMs = 4;
const resolution = 0.01;
/** A SYN that a booting guest drops is sent again by a fresh connection after this long, not by TCP after a second. */
const connectTimeoutMs = 40;

/** A connection, or undefined when the guest refuses it or does not answer in time. */
function connect() {
  return new Promise((resolve) => {
    const socket = net.connect({ host: guest.address, port, noDelay: true });
    const give = (result) => {
      clearTimeout(timer);
      if (!result) socket.destroy();
      resolve(result);
    };
    const timer = setTimeout(give, connectTimeoutMs);
    socket.once("connect", () => give(socket));
    socket.once("error", () => give());
  });
}

/** The status code of the answer on a connection, or undefined when it ends without one. */
function request(socket) {
  return new Promise((resolve) => {
    let answer = "";
    socket.on("data", (data) => {
      answer += data.toString("latin1");
      const status = /^HTTP\/1\.[01] (\d{3}) /.exec(answer);
      if (status) resolve(Number(status[1]));
    });
    socket.on("close", () => resolve(undefined));
    socket.on("error", () => resolve(undefined));
    socket.write(`GET / HTTP/1.1\r\nHost: ${guest.address}:${port}\r\nConnection: close\r\n\r\n`);
  });
}

/**
 * Resolves to true at the first answer with status 200, to false when the machine ends or the time is over before.
 * @param {import("./guest.mjs").Guest} machine
 */
export async function firstAnswer(machine, timeoutMs) {
  const began = performance.now();
  const deadline = began + timeoutMs;
  // Connections are tried one after the other without waiting for the last; the first that stands carries the one request.
  let talking = false;
  let answered = false;
  const attempt = async () => {
    const socket = await connect();
    if (!socket || talking) return socket?.destroy();
    talking = true;
    answered ||= (await request(socket)) === 200;
    talking = false;
    socket.destroy();
  };
  while (!answered && !machine.hasEnded && performance.now() < deadline) {
    if (!talking) void attempt();
    await sleep(Math.max(finestMs, resolution * (performance.now() - began)));
  }
  return answered;
}

/**
 * Asks so often, over so many connections that are kept. Rejects at the first answer that is not 200, when the guest ends, and when the
 * time is over.
 */
export async function ask(machine, count, connections, timeoutMs) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: connections });
  const signal = AbortSignal.timeout(Math.ceil(timeoutMs));
  // Each request that is under way listens to it.
  setMaxListeners(0, signal);
  let left = count;
  const get = () =>
    new Promise((resolve, reject) => {
      const outgoing = http.get({ host: guest.address, port, agent, signal }, (response) => {
        response.resume();
        response.once("end", () => (response.statusCode === 200 ? resolve() : reject(new Error("not 200"))));
        response.once("error", reject);
      });
      outgoing.once("error", reject);
    });
  const client = async () => {
    while (left-- > 0 && !machine.hasEnded) await get();
  };
  const ended = machine.ended.then(() => {
    throw new Error("the guest ended");
  });
  try {
    await Promise.race([Promise.all(Array.from({ length: connections }, client)), ended]);
  } finally {
    agent.destroy();
  }
}

/** True when the guest answers so many requests, four at a time, all with status 200. */
export async function serves(machine, count, timeoutMs) {
  try {
    await ask(machine, count, 4, timeoutMs);
    return !machine.hasEnded;
  } catch {
    return false;
  }
}
