import { isIPv4 } from "node:net";
import { PassThrough } from "node:stream";
import { finished } from "node:stream/promises";
import { defaultCacheDir, VisibleError } from "../image/index.js";
import { parseSize } from "../resources/units.js";
import { runForeground, type Foreground, type Machine, type PortMapping } from "../targets/local/index.js";
import { ConsoleInput, ConsoleSplitter } from "./console.js";
import { formatCommand } from "./format.js";
import { HostTerminal } from "./host-terminal.js";
import { imageOptions, imageSettings } from "./image-options.js";
import { interruptible } from "./interrupt.js";
import { environment, loadImage } from "./load.js";
import type { Command, Invocation } from "./main.js";
import { UsageError } from "./usage-error.js";

/** Tells the kernel that the console is the application's standard input. */
const ATTACH_INPUT = "org.pulumi.unikernel.attach-input";
const MACHINES: readonly Machine[] = ["q35", "pc", "microvm"];

/** `unikernel run` */
export const run: Command = {
  options: {
    publish: { type: "string", short: "p", multiple: true },
    memory: { type: "string", short: "m" },
    cpus: { type: "string", short: "c" },
    env: { type: "string", short: "e", multiple: true },
    machine: { type: "string" },
    runtime: { type: "string" },
    interactive: { type: "boolean", short: "i" },
    tty: { type: "boolean", short: "t" },
    verbose: { type: "boolean", short: "v" },
    ...imageOptions,
  },
  failure: 125,

  async main(invocation) {
    const { values } = invocation;
    const hardware = {
      memory: memoryOf(values),
      cpus: cpusOf(values),
      machine: machineOf(values),
      ports: portsOf(values),
    };
    const env = Object.entries(environment(values["env"])).map(([name, value]) => `${name}=${value}`);
    const verbose = values["verbose"] === true;

    const terminal = values["tty"] === true ? new HostTerminal() : undefined;
    const interactive = values["interactive"] === true && terminal === undefined;
    // Whole lines are what tells the kernel's from the application's, and a terminal shows each byte as it comes.
    const output = terminal ? new PassThrough() : new ConsoleSplitter(process.stderr);
    output.pipe(process.stdout);
    const input = terminal?.input ?? (interactive ? process.stdin.pipe(new ConsoleInput()) : undefined);
    const { ending } = await interruptible(async (signal) => {
      const { image, command, format = "erofs" } = await loadImage(invocation, signal, imageSettings(values));
      if (format !== "erofs" && format !== "raw") {
        throw new VisibleError(
          `"${invocation.source}" is in the format ${format}, which is for other places than this machine. Build it with \`--format raw\` to run it here.`,
        );
      }
      const config = {
        process: {
          env: terminal ? [...terminalType(env), ...env] : env,
          ...(command && { args: command }),
          ...(terminal && { terminal: true, ...(terminal.size && { consoleSize: terminal.size }) }),
        },
        ...(interactive && { annotations: { [ATTACH_INPUT]: "true" } }),
      };
      const guest = await runForeground(
        { id: "run", image, config, ...hardware },
        {
          cacheDir: defaultCacheDir(),
          signal,
          output,
          ...(input && { input }),
          ...(verbose && {
            starting: ({ qemu, accelerator, command: line }) =>
              process.stderr.write(`QEMU ${qemu}, ${accelerator}: ${formatCommand(line)}\n`),
          }),
          event: (event) => {
            if (event.event === "boot") terminal?.attach();
            if (verbose) process.stderr.write(`${JSON.stringify(event)}\n`);
          },
        },
      );
      // Before nobody listens to signals any more: one that comes just then would be lost.
      return { ending: passSignals(guest) };
    });
    const { code, reason } = await ending.finally(() => {
      terminal?.release();
      if (input === undefined) return;
      // A terminal or pipe that nobody types into would keep this process alive.
      process.stdin.unpipe();
      process.stdin.destroy();
    });
    output.end();
    await finished(output, { writable: false }).catch(() => undefined);
    if (verbose || code !== 0) process.stderr.write(`unikernel: ${reason}\n`);
    return code;
  },
};

/** How long an application may take to end once its terminal is closed, where nobody is left to ask again. As `docker stop` has it. */
const HANG_UP_LIMIT_MS = 10_000;

/** Waits for the guest's end; the first signal asks the application to end, the second leaves it no choice. */
async function passSignals(guest: Foreground): Promise<{ code: number; reason: string }> {
  let asked = false;
  const pass = (): void => {
    if (asked) guest.kill();
    else void guest.powerdown().catch(() => guest.kill());
    asked = true;
  };
  const hangUp = (): void => {
    pass();
    setTimeout(() => guest.kill(), HANG_UP_LIMIT_MS).unref();
  };
  const signals: NodeJS.Signals[] = ["SIGINT", "SIGTERM"];
  for (const signal of signals) process.on(signal, pass);
  process.on("SIGHUP", hangUp);
  try {
    return await guest.ended;
  } finally {
    for (const signal of signals) process.off(signal, pass);
    process.off("SIGHUP", hangUp);
  }
}

/** `TERM`, unless it is among these. */
function terminalType(env: string[]): string[] {
  return env.some((variable) => variable.startsWith("TERM=")) ? [] : [`TERM=${process.env["TERM"] ?? "xterm"}`];
}

function memoryOf(values: Invocation["values"]): number {
  const text = (values["memory"] as string | undefined) ?? "128 MiB";
  const bytes = parseSize(text);
  if (bytes === undefined) throw new UsageError(`"${text}" is no amount of memory: write "64 MiB" or "1 GiB".`);
  return bytes;
}

function cpusOf(values: Invocation["values"]): number {
  const text = (values["cpus"] as string | undefined) ?? "1";
  if (!/^[1-8]$/.test(text)) throw new UsageError(`"${text}" is no number of processors from 1 to 8.`);
  return Number(text);
}

function machineOf(values: Invocation["values"]): Machine {
  const text = (values["machine"] as string | undefined) ?? "q35";
  const machine = MACHINES.find((name) => name === text);
  if (machine === undefined) throw new UsageError(`There is no machine "${text}": it can be ${MACHINES.join(", ")}.`);
  return machine;
}

function portsOf(values: Invocation["values"]): PortMapping[] {
  const ports = ((values["publish"] ?? []) as string[]).map(parsePublish);
  for (const [i, port] of ports.entries()) {
    const twin = ports
      .slice(0, i)
      .find((other) => other.host === port.host && other.protocol === port.protocol && port.host !== 0);
    if (twin !== undefined)
      throw new VisibleError(`Port ${port.host}/${port.protocol} of this machine is listed twice.`);
  }
  return ports;
}

/** A port mapping from `[ADDRESS:]HOST:GUEST[/PROTOCOL]` or `PORT[/PROTOCOL]`. */
export function parsePublish(text: string): PortMapping {
  const [, address, host, guest, protocol] = /^(?:(?:([\d.]+):)?(\d+):)?(\d+)(?:\/(tcp|udp))?$/.exec(text) ?? [];
  const mapping: PortMapping = {
    guest: Number(guest),
    host: Number(host ?? guest),
    protocol: protocol === "udp" ? "udp" : "tcp",
    hostAddress: address ?? "127.0.0.1",
  };
  const valid =
    guest !== undefined &&
    mapping.guest >= 1 &&
    mapping.guest <= 65_535 &&
    mapping.host <= 65_535 &&
    isIPv4(mapping.hostAddress);
  if (!valid)
    throw new UsageError(`"${text}" is no port mapping: write HOST:GUEST, such as 8080:80, or 0.0.0.0:8080:80.`);
  return mapping;
}
