import { open } from "node:fs/promises";
import { StringDecoder } from "node:string_decoder";
import type { PortMapping } from "./ports.js";

/**
 * What a guest says of itself on its status channel, one JSON object a line. The JSON Schema in `schema/` is generated from these
 * declarations.
 */
export type GuestEvent = BootEvent | NetworkEvent | ListeningEvent | ExitEvent | PanicEvent | OutOfMemoryEvent;

/** The kernel runs. */
export interface BootEvent {
  event: "boot";
  /** The kernel's version. */
  version: string;
}

/** The network is configured. */
export interface NetworkEvent {
  event: "network";
  /** The guest's address with its prefix length, such as `10.0.2.15/24`. */
  address: string;
  /** The router's address. */
  gateway?: string;
}

/** The application listens on a port. */
export interface ListeningEvent {
  event: "listening";
  protocol: "tcp" | "udp";
  /** The address it is bound to, such as `0.0.0.0` or `::`. */
  address: string;
  /**
   * @minimum 1
   * @maximum 65535
   * @asType integer
   */
  port: number;
}

/** The application ended. */
export interface ExitEvent {
  event: "exit";
  /**
   * The application's exit status; 128 plus the signal's number when a signal ended it.
   * @minimum 0
   * @maximum 255
   * @asType integer
   */
  code: number;
  /** The signal that ended it, such as `SIGSEGV`. */
  signal?: string;
}

/** The kernel failed, or found no application to start. */
export interface PanicEvent {
  event: "panic";
  message: string;
  /** @asType integer */
  code: number;
}

/** The guest ran out of memory. */
export interface OutOfMemoryEvent {
  event: "oom";
  message: string;
  /** @asType integer */
  code: number;
}

/** Makes events of what a status channel gives, in pieces of any size. */
export class StatusParser {
  #rest = "";

  /** The events that this piece completes. Lines that are no JSON object are left out: a guest cannot be trusted to write well. */
  push(text: string): GuestEvent[] {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    return lines.flatMap(parseEvent);
  }
}

/** How much of a status file is read at once. */
const CHUNK = 2 ** 20;

/** Reads a status file as it grows. */
export class StatusReader {
  #offset = 0;
  readonly #decoder = new StringDecoder("utf8");
  readonly #parser = new StatusParser();

  constructor(readonly file: string) {}

  /** The events since the last call. */
  async read(): Promise<GuestEvent[]> {
    let file;
    try {
      file = await open(this.file, "r");
    } catch {
      return [];
    }
    try {
      const events: GuestEvent[] = [];
      // To the end as it is now: a guest that never stops writing is not to keep anybody.
      for (let left = (await file.stat()).size - this.#offset; left > 0;) {
        const buffer = Buffer.alloc(Math.min(left, CHUNK));
        const { bytesRead } = await file.read(buffer, 0, buffer.length, this.#offset);
        if (bytesRead === 0) break;
        this.#offset += bytesRead;
        left -= bytesRead;
        events.push(...this.#parser.push(this.#decoder.write(buffer.subarray(0, bytesRead))));
      }
      return events;
    } finally {
      await file.close();
    }
  }
}

function parseEvent(line: string): GuestEvent[] {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null && "event" in value ? [value as GuestEvent] : [];
  } catch {
    return [];
  }
}

/** The addresses on which the application listens on the guest's side of this port. */
export function listenersOn(events: readonly GuestEvent[], port: PortMapping): string[] {
  return events.flatMap((event) =>
    event.event === "listening" && event.protocol === port.protocol && event.port === port.guest ? [event.address] : [],
  );
}

/** Whether the application listens where this port leads to. What listens on the guest's loopback is reached by the guest alone. */
export function isReachable(events: readonly GuestEvent[], port: PortMapping): boolean {
  const own = events.flatMap((event) => (event.event === "network" ? event.address.split("/", 1) : []));
  return listenersOn(events, port).some((address) => [...own, "0.0.0.0", "::"].includes(address));
}

/** How a guest ended. */
export interface Ending {
  /** Exit status, as a shell would give it. */
  code: number;
  /** What happened, to follow "the instance stopped because": `the application ended with status 3`. */
  reason: string;
}

/** The ending that these events tell of. */
export function endingOf(events: readonly GuestEvent[]): Ending | undefined {
  // An ending that explains another comes first: the kernel reports `oom` before the `exit` that follows from it.
  for (const event of events) {
    switch (event.event) {
      case "oom":
        return { code: event.code, reason: `the guest ran out of memory: ${event.message}` };
      case "panic":
        return { code: event.code, reason: `the kernel failed: ${event.message}` };
      case "exit":
        return {
          code: event.code,
          reason:
            event.signal === undefined
              ? `the application ended with status ${event.code}`
              : `${event.signal} ended the application`,
        };
    }
  }
  return undefined;
}

/**
 * How a guest ended that has told of no ending itself, by how QEMU did.
 *
 * @param qemu - Its process, which has ended.
 * @param complaint - The last line that QEMU has written to its standard error.
 */
export function silentEnding(
  { exitCode, signalCode }: { exitCode: number | null; signalCode: NodeJS.Signals | null },
  complaint: string,
): Ending {
  if (signalCode !== null) {
    // What QEMU says before it ends itself is why: an assertion that does not hold.
    const why = signalCode === "SIGABRT" && complaint !== "" ? `: ${complaint}` : "";
    return { code: 137, reason: `QEMU was killed by ${signalCode}${why}` };
  }
  // QEMU ends as if all were well when a signal asks it to.
  const asked = /terminating on signal (\d+)(.*)/.exec(complaint);
  if (asked) return { code: 128 + Number(asked[1]), reason: `QEMU was ended by signal ${asked[1]}${asked[2]}` };
  if (exitCode !== 0 && exitCode !== null) {
    return { code: 255, reason: `QEMU failed with status ${exitCode}${complaint === "" ? "" : `: ${complaint}`}` };
  }
  // It may be a mere warning, or all that tells why.
  const words = complaint === "" ? "" : ` (QEMU's last words: ${complaint})`;
  return { code: 255, reason: `the guest reset itself without a word${words}` };
}
