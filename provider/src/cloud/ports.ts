import * as pulumi from "@pulumi/pulumi";
import type { PortMapping } from "../resources/instance-properties.js";

/** A port that an instance is reached at. */
export interface OpenPort {
  guest: number;
  protocol: "tcp" | "udp";
}

/**
 * The ports of an instance that has its address to itself.
 *
 * @param place - The cloud, as in "on AWS".
 * @throws {pulumi.RunError} when a port cannot be had there.
 */
export function openPorts(ports: readonly (PortMapping | number)[], place: string): OpenPort[] {
  return ports.map((port) => {
    if (typeof port === "number") return { guest: port, protocol: "tcp" };
    const { guest, host, hostAddress, protocol = "tcp" } = port;
    if (host !== undefined && host !== 0 && host !== guest) {
      throw new pulumi.RunError(
        `Port ${guest} of the guest cannot be port ${host} of its host on ${place}: the instance has its address to itself. Leave "host" out, and put a load balancer in front for another port.`,
      );
    }
    if (hostAddress !== undefined) {
      throw new pulumi.RunError(
        `"hostAddress" of port ${guest} has no meaning on ${place}. Who reaches the port is said by \`allowFrom\` of the target.`,
      );
    }
    return { guest, protocol };
  });
}

/** Where an instance with this address is reached. */
export function reachedAt(
  ip: pulumi.Output<string | undefined>,
  ports: pulumi.Output<OpenPort[]>,
): { address: pulumi.Output<string | undefined>; url: pulumi.Output<string | undefined> } {
  const at = (first: (port: OpenPort) => boolean, scheme: string): pulumi.Output<string | undefined> =>
    pulumi.all([ip, ports]).apply(([ip, ports]) => {
      const port = ports.find(first);
      return port && ip && `${scheme}${ip}:${port.guest}`;
    });
  return { address: at(() => true, ""), url: at(({ protocol }) => protocol === "tcp", "http://") };
}
