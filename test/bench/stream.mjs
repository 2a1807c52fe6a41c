// One TCP connection with `test/guests/stream`.
import net from "node:net";
import { guest } from "./network.mjs";

const port = 8080;
const MEGABYTE = 1e6;
const chunk = Buffer.alloc(1 << 20);

/** Resolves once the server has taken the request: what it answers begins with the head. */
async function open(request) {
  const socket = net.connect({ host: guest.address, port, noDelay: true });
  socket.write(`${request} HTTP/1.1\r\nHost: ${guest.address}\r\n\r\n`);
  await new Promise((resolve, reject) => {
    socket.once("data", resolve);
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("The guest closed the connection.")));
  });
  return socket;
}

/** Megabytes per second that the guest sends. */
export async function receive(seconds) {
  const socket = await open("GET /out");
  let bytes = 0;
  const began = performance.now();
  socket.on("data", (data) => (bytes += data.length));
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const took = (performance.now() - began) / 1000;
  socket.destroy();
  return bytes / MEGABYTE / took;
}

/** Megabytes per second that the guest takes: what it has taken by its own count, until it has said so. */
export async function send(seconds) {
  const socket = await open("PUT /in");
  const began = performance.now();
  const deadline = began + seconds * 1000;
  const write = () => {
    while (performance.now() < deadline) if (!socket.write(chunk)) return socket.once("drain", write);
    socket.end();
  };
  let answer = "";
  socket.on("data", (data) => (answer += data));
  const ended = new Promise((resolve, reject) => socket.once("end", resolve).once("error", reject));
  write();
  await ended;
  const took = (performance.now() - began) / 1000;
  return Number(/(\d+)\n$/.exec(answer)?.[1]) / MEGABYTE / took;
}
