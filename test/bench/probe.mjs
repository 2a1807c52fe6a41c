// Asking a guest.
import { execFile } from "node:child_process";
import { setMaxListeners } from "node:events";
import { Agent, get as httpGet } from "node:http";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
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

/**
 * How a server is asked.
 * @typedef {object} Protocol
 * @property {string} request
 * @property {RegExp} answer The beginning of a good one.
 * @property {(machine: import("./guest.mjs").Guest, count: number, timeoutMs: number) => Promise<void>} [ask] Asks so often, over four connections.
 *   Rejects at the first answer that is not good, when the guest ends, and when the time is over.
 */

/** Whether what comes on a connection is a good answer. */
function request(socket, protocol) {
  return new Promise((resolve) => {
    let answer = "";
    socket.on("data", (data) => {
      answer += data.toString("latin1");
      if (protocol.answer.test(answer)) resolve(true);
      else if (answer.includes("\r\n")) resolve(false);
    });
    socket.on("close", () => resolve(false));
    socket.on("error", () => resolve(false));
    socket.write(protocol.request, "latin1");
  });
}

/**
 * Resolves to true at the first good answer, to false when the machine ends or the time is over before.
 * @param {import("./guest.mjs").Guest} machine
 * @param {Protocol} protocol
 */
export async function firstAnswer(machine, timeoutMs, protocol = http) {
  const began = performance.now();
  const deadline = began + timeoutMs;
  // Connections are tried one after the other without waiting for the last; the first that stands carries the one request.
  let talking = false;
  let answered = false;
  const attempt = async () => {
    const socket = await connect();
    if (!socket || talking) return socket?.destroy();
    talking = true;
    answered ||= await request(socket, protocol);
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
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const signal = AbortSignal.timeout(Math.ceil(timeoutMs));
  // Each request that is under way listens to it.
  setMaxListeners(0, signal);
  let left = count;
  const get = () =>
    new Promise((resolve, reject) => {
      const outgoing = httpGet({ host: guest.address, port, agent, signal }, (response) => {
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

/** The server listens where the others do. */
export async function benchmarkRedis(timeoutMs, ...options) {
  const where = ["-h", guest.address, "-p", String(port)];
  const { stdout } = await promisify(execFile)("redis-benchmark", [...where, "--csv", ...options], {
    timeout: Math.ceil(timeoutMs),
  });
  return stdout;
}

/** @type {Protocol} */
export const http = {
  request: `GET / HTTP/1.1\r\nHost: ${guest.address}:${port}\r\nConnection: close\r\n\r\n`,
  answer: /^HTTP\/1\.[01] 200 /,
  ask: (machine, count, timeoutMs) => ask(machine, count, 4, timeoutMs),
};

/** @type {Protocol} */
export const redis = {
  request: "PING\r\n",
  answer: /^\+PONG\r\n/,
  ask: (_machine, count, timeoutMs) => benchmarkRedis(timeoutMs, "-c", "4", "-n", String(count), "-t", "get"),
};

/** A proxy's own answer. @type {Protocol} */
export const noBackend = { ...http, answer: /^HTTP\/1\.[01] 503 / };

/** @type {Protocol} */
export const memcached = { request: "version\r\n", answer: /^VERSION / };

/** It asks for the password, which it does not before its database can be used. @type {Protocol} */
export const postgres = { request: postgresStartup({ user: "postgres" }), answer: /^R/ };

/** The message that begins a connection of version 3.0 of the protocol: its length, the version, and names with values. */
function postgresStartup(parameters) {
  const text = `${Object.entries(parameters).flat().join("\0")}\0\0`;
  const head = Buffer.alloc(8);
  head.writeUInt32BE(head.length + text.length);
  head.writeUInt32BE(3 << 16, 4);
  return head.toString("latin1") + text;
}

/** True when the guest answers so many requests, four at a time, all of them well. */
export async function serves(machine, count, timeoutMs, protocol) {
  try {
    await protocol.ask(machine, count, timeoutMs);
    return !machine.hasEnded;
  } catch {
    return false;
  }
}
