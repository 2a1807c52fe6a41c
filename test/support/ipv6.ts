import { networkInterfaces } from "node:os";

/** Whether this machine speaks IPv6 with itself, which containers and some machines are kept from. */
export const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"));
