// The network that the guests are measured on: a tap device in a network namespace of the benchmark's own. QEMU's user
// network would do without, but it accepts connections before the guest listens and caps requests per second.
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";

export const tap = "tap0";
export const guest = { address: "10.0.2.15", mac: "52:54:00:12:34:56" };
export const host = { address: "10.0.2.2", prefix: 24 };

function ip(...args) {
  const { status, stderr } = spawnSync("ip", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`\`ip ${args.join(" ")}\` failed: ${stderr.trim()}`);
}

/**
 * Makes the devices and starts a DHCP server on them. Call it in a fresh network namespace, with which all of it ends.
 * @param {string} folder Where to keep the server's leases.
 */
export function setUpNetwork(folder) {
  ip("link", "set", "lo", "up");
  ip("tuntap", "add", tap, "mode", "tap");
  ip("addr", "add", `${host.address}/${host.prefix}`, "dev", tap);
  ip("link", "set", tap, "up");
  // Known beforehand: resolving the address of a guest that is not up yet would cost a second.
  ip("neigh", "add", guest.address, "lladdr", guest.mac, "dev", tap, "nud", "permanent");
  const server = spawn(
    "dnsmasq",
    [
      ...["--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--port=0", "--log-facility=-"],
      ...[`--interface=${tap}`, "--bind-interfaces", "--no-ping", "--dhcp-authoritative"],
      ...[`--dhcp-range=${guest.address},${guest.address}`, `--dhcp-host=${guest.mac},${guest.address}`],
      `--dhcp-leasefile=${path.join(folder, "leases")}`,
    ],
    { stdio: ["ignore", "ignore", fs.openSync(path.join(folder, "dnsmasq.log"), "w")] },
  );
  process.once("exit", () => server.kill());
  server.unref();
}
