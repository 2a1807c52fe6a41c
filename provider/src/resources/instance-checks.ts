import { isIPv4 } from "node:net";
import type { InstancePort, PortMapping } from "./instance-properties.js";
import type { CheckFailure } from "./resource.js";
import { checkTexts, IMAGE_FORM, NAME_FORM } from "./text.js";
import { parseDuration, parseSize } from "./units.js";
import { hasUnknown, placeOf, type Pending } from "./values.js";

/** What is wrong with inputs whose types are right. Unknown values pass. */
export function checkInstance(inputs: Record<string, unknown>): CheckFailure[] {
  return [
    ...checkTexts(inputs, {
      name: NAME_FORM,
      image: IMAGE_FORM,
      hostname: [/^(?!-)[A-Za-z0-9.-]{1,63}$/, 'letters, digits, "-" and ".", 63 at most'],
    }),
    ...checkMemory(inputs["memory"]),
    ...checkRange(inputs["cpus"], "cpus", 1, 8),
    ...checkPorts(inputs["ports"]),
    ...checkEnv(inputs["env"]),
    ...checkFiles(inputs["files"]),
    ...checkCommand(inputs["command"]),
    ...checkTimeouts(inputs["timeouts"]),
  ];
}

function checkMemory(value: unknown): CheckFailure[] {
  if (typeof value !== "string" && typeof value !== "number") return [];
  const bytes = parseSize(value);
  if (bytes === undefined)
    return [
      {
        property: "memory",
        reason: `"memory" must be a size such as "128 MiB", or a number of bytes; "${value}" is neither.`,
      },
    ];
  if (bytes >= MIB) return [];
  return [
    {
      property: "memory",
      reason: `"memory" is ${bytes} bytes, less than 1 MiB. A number without a unit is a number of bytes: write "128 MiB".`,
    },
  ];
}

const MIB = 1024 * 1024;

function checkRange(value: unknown, property: string, least: number, most: number): CheckFailure[] {
  if (typeof value !== "number" || (Number.isInteger(value) && value >= least && value <= most)) return [];
  return [{ property, reason: `"${property}" must be a whole number from ${least} to ${most}, but is ${value}.` }];
}

function checkPorts(ports: unknown): CheckFailure[] {
  if (!Array.isArray(ports)) return [];
  const failures = ports.flatMap((port, i) => checkPort(port, placeOf("ports", i, true)));
  return failures.length > 0 ? failures : checkTwice(ports as Pending<PortMapping | number>[]);
}

function checkPort(port: unknown, place: string): CheckFailure[] {
  if (typeof port === "number") return checkRange(port, place, 1, 65_535);
  if (typeof port !== "object" || port === null) return [];
  const { guest, host, hostAddress } = port as Record<string, unknown>;
  const failures = [...checkRange(guest, `${place}.guest`, 1, 65_535), ...checkRange(host, `${place}.host`, 0, 65_535)];
  if (typeof hostAddress === "string" && !isIPv4(hostAddress)) {
    failures.push({
      property: `${place}.hostAddress`,
      reason: `"${place}.hostAddress" must be an IPv4 address such as 127.0.0.1; "${hostAddress}" is not.`,
    });
  }
  return failures;
}

/** A host port can lead to one port only. */
function checkTwice(ports: Pending<PortMapping | number>[]): CheckFailure[] {
  const failures: CheckFailure[] = [];
  const seen = new Map<string, string>();
  for (const [i, entry] of ports.entries()) {
    if (hasUnknown(entry)) continue;
    const port = normalizePort(entry as PortMapping | number);
    const place = placeOf("ports", i, true);
    // Every address holds this port when one of the mappings takes all of them.
    const names = [port.hostAddress, port.hostAddress === "0.0.0.0" ? undefined : "0.0.0.0"].filter(
      (name) => name !== undefined,
    );
    const key = (address: string): string => `${address} ${port.host}/${port.protocol}`;
    const other =
      port.hostAddress === "0.0.0.0"
        ? [...seen].find(([name]) => name.endsWith(` ${port.host}/${port.protocol}`))?.[1]
        : names.map((name) => seen.get(key(name))).find((found) => found !== undefined);
    if (port.host !== 0 && other !== undefined) {
      failures.push({
        property: place,
        reason: `Host port ${port.host}/${port.protocol} is listed twice, in ${other} and in ${place}. Give one of them another host port.`,
      });
    }
    seen.set(key(port.hostAddress), place);
  }
  return failures;
}

/** A port mapping with everything that the program left open. */
export function normalizePort(port: PortMapping | number): InstancePort {
  const mapping = typeof port === "number" ? { guest: port } : port;
  return {
    guest: mapping.guest,
    host: mapping.host ?? mapping.guest,
    protocol: mapping.protocol ?? "tcp",
    hostAddress: mapping.hostAddress ?? "127.0.0.1",
  };
}

/** What is wrong with an instance's environment. */
export function checkEnv(env: unknown): CheckFailure[] {
  if (typeof env !== "object" || env === null) return [];
  return Object.entries(env).flatMap(([name, value]) => {
    const property = placeOf("env", name, false);
    if (name === "" || /[=\0]/.test(name))
      return [
        {
          property,
          reason: `"${name}" cannot be the name of an environment variable: it is empty, or has a "=" or a zero byte in it.`,
        },
      ];
    if (typeof value === "string" && value.includes("\0"))
      return [
        {
          property,
          reason: `The value of the environment variable "${name}" has a zero byte in it, which no environment can hold.`,
        },
      ];
    return [];
  });
}

/** What is wrong with an instance's files. */
export function checkFiles(files: unknown): CheckFailure[] {
  if (typeof files !== "object" || files === null) return [];
  return Object.entries(files).flatMap(([path, file]: [string, unknown]) => {
    const reason =
      reasonAgainst(path) ?? (typeof file === "object" && file !== null ? reasonAgainstFile(path, file) : "");
    return reason === "" ? [] : [{ property: placeOf("files", path, false), reason }];
  });
}

function reasonAgainst(path: string): string | undefined {
  if (!path.startsWith("/") || path.includes("\0")) return `The file "${path}" must be an absolute path.`;
  if (path.split("/").some((part) => part === ".." || part === ".") || path.endsWith("/"))
    return `The file "${path}" must be the path of a file, without "." and ".." in it.`;
  return undefined;
}

function reasonAgainstFile(path: string, file: object): string {
  const { content, encoding, permissions } = file as { [key: string]: unknown };
  if (typeof permissions === "string" && !/^[0-7]{1,4}$/.test(permissions))
    return `The permissions of the file "${path}" must be octal digits such as "0600"; "${permissions}" are not.`;
  // What it is stays unsaid: it may be a secret.
  if (encoding === "base64" && typeof content === "string" && !isBase64(content))
    return `The content of the file "${path}" is not base64, which its encoding says.`;
  return "";
}

/** By RFC 4648, section 4, with its padding; lines may be broken. */
function isBase64(text: string): boolean {
  const digits = text.replaceAll(/\s/g, "");
  return digits.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(digits);
}

function checkCommand(command: unknown): CheckFailure[] {
  if (!Array.isArray(command) || command.length > 0) return [];
  return [{ property: "command", reason: `"command" is empty. Leave it out to run the image's own command line.` }];
}

function checkTimeouts(timeouts: unknown): CheckFailure[] {
  if (typeof timeouts !== "object" || timeouts === null) return [];
  return Object.entries(timeouts).flatMap(([name, value]) => {
    if (typeof value !== "string" && typeof value !== "number") return [];
    if (parseDuration(value) !== undefined) return [];
    const property = `timeouts.${name}`;
    return [
      {
        property,
        reason: `"${property}" must be a time such as "90 s" or "2 min", or a number of seconds; "${value}" is neither.`,
      },
    ];
  });
}
