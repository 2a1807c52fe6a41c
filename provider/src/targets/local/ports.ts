import { readdir, readFile, readlink } from "node:fs/promises";
import * as dgram from "node:dgram";
import * as net from "node:net";
import { VisibleError } from "../../image/index.js";
import { describeProcess } from "./processes.js";

/** A port of the guest that is reached through a port of the host. */
export interface PortMapping {
  guest: number;
  /** 0 lets the host choose a free one. */
  host: number;
  protocol: "tcp" | "udp";
  /** IPv4 address of the host to listen on. */
  hostAddress: string;
}

/**
 * Sees that every host port is free, and chooses one where the mapping leaves it open.
 *
 * @param own - Ports of the guest that this one takes the place of. It may have the same; where the mapping leaves the port open, it keeps it.
 * @throws {VisibleError} when one is taken; the message names the program that holds it where that can be told.
 */
export async function claimPorts(
  ports: readonly PortMapping[],
  own: { ports: readonly PortMapping[]; running: boolean } = { ports: [], running: false },
): Promise<PortMapping[]> {
  const claimed: PortMapping[] = [];
  for (const port of ports) {
    const before = own.ports.find(
      (other) => isContinuation(port, other) && !claimed.some((c) => c.host === other.host),
    );
    claimed.push({ ...port, host: await claim(port, before, own.running) });
  }
  return claimed;
}

/** Whether a mapping can have the host port that another one had. */
function isContinuation(port: PortMapping, other: PortMapping): boolean {
  const sameEnd = port.host === 0 ? port.guest === other.guest : port.host === other.host;
  return sameEnd && port.protocol === other.protocol && port.hostAddress === other.hostAddress;
}

async function claim(port: PortMapping, before: PortMapping | undefined, beforeIsHeld: boolean): Promise<number> {
  if (before !== undefined && beforeIsHeld) return before.host;
  if (before !== undefined && port.host === 0) {
    const again = await tryPort({ ...port, host: before.host }).catch(() => undefined);
    if (again !== undefined) return again;
  }
  try {
    return await tryPort(port);
  } catch (error) {
    throw await portError(port, (error as NodeJS.ErrnoException).code);
  }
}

function tryPort(port: PortMapping): Promise<number> {
  return port.protocol === "tcp" ? tryTcp(port) : tryUdp(port);
}

async function portError(port: PortMapping, code: string | undefined): Promise<VisibleError> {
  const name = `Port ${port.host}/${port.protocol} of ${port.hostAddress}`;
  switch (code) {
    case "EADDRINUSE": {
      const holder = await holderOf(port);
      return new VisibleError(
        `${name} is already taken${holder ? ` by ${holder}` : ""}. Choose another host port, or 0 for any that is free.`,
      );
    }
    case "EACCES":
      return new VisibleError(`${name} needs root's rights, as ports below 1024 do. Choose a higher host port.`);
    case "EADDRNOTAVAIL":
      return new VisibleError(
        `${port.hostAddress} is not an address of this machine. Use 127.0.0.1, 0.0.0.0 or one of its own addresses as hostAddress.`,
      );
    default:
      return new VisibleError(`${name} cannot be listened on (${code ?? "unknown error"}).`);
  }
}

function tryTcp(port: PortMapping): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once("error", reject);
    server.listen({ host: port.hostAddress, port: port.host, exclusive: true }, () => {
      const chosen = (server.address() as net.AddressInfo).port;
      server.close(() => resolve(chosen));
    });
  });
}

function tryUdp(port: PortMapping): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = dgram.createSocket("udp4");
    socket.once("error", reject);
    socket.bind({ address: port.hostAddress, port: port.host, exclusive: true }, () => {
      const chosen = socket.address().port;
      socket.close(() => resolve(chosen));
    });
  });
}

/** The program that listens on a port, as `ruby (process 4711)`. Only Linux tells, and only of the user's own processes. */
async function holderOf(port: PortMapping): Promise<string | undefined> {
  const inodes = new Set<string>();
  for (const table of [port.protocol, `${port.protocol}6`]) {
    const text = await readFile(`/proc/net/${table}`, "utf8").catch(() => "");
    for (const line of text.split("\n").slice(1)) {
      // sl, local_address, rem_address, st, …, inode (tenth); state 0A is LISTEN, 07 an open UDP socket.
      const fields = line.trim().split(/\s+/);
      const local = Number.parseInt(fields[1]?.split(":")[1] ?? "", 16);
      if (local === port.host && (fields[3] === "0A" || fields[3] === "07") && fields[9]) inodes.add(fields[9]);
    }
  }
  if (inodes.size === 0) return undefined;
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
      const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => "");
      const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
      if (inode !== undefined && inodes.has(inode)) return describeProcess(Number(pid));
    }
  }
  return undefined;
}

/** Whether a TCP connection through the host port comes about. */
export function canConnect(port: PortMapping, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const host = port.hostAddress === "0.0.0.0" ? "127.0.0.1" : port.hostAddress;
    const socket = net.connect({ host, port: port.host, timeout: timeoutMs });
    const settle = (result: boolean): void => {
      socket.destroy();
      resolve(result);
    };
    socket.once("connect", () => settle(true));
    socket.once("error", () => settle(false));
    socket.once("timeout", () => settle(false));
  });
}
