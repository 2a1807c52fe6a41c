import { spawn, type ChildProcess } from "node:child_process";
import { createServer, type AddressInfo } from "node:net";
import * as path from "node:path";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { QmpClient } from "../../provider/src/targets/local/qmp.js";

/** OVMF in memory, with variables that nobody keeps: it is up in three quarters of the time that it takes from emulated flash. */
const OVMF = ["-bios", "/usr/share/ovmf/OVMF.fd"];

/** The descriptor by which QEMU is told what to do. */
const CONTROL = 3;

const FIRMWARE = { bios: [], uefi: OVMF };

/** QEMU's options for a cloud's machine, whose maker's name the firmware has in one table or the other. */
export const MADE_BY = {
  Amazon: {
    SMBIOS: ["-smbios", "type=1,manufacturer=Amazon EC2,product=t3.nano"],
    ACPI: ["-machine", "x-oem-id=AMAZON"],
  },
  Google: {
    SMBIOS: ["-smbios", "type=1,manufacturer=Google,product=Google Compute Engine"],
    ACPI: ["-machine", "x-oem-id=Google"],
  },
};

export interface ComputerOptions {
  firmware: keyof typeof FIRMWARE;
  /** Path of the disk. */
  disk: string;
  /** QEMU's name of the disk's format. Default: `raw`. */
  format?: string;
  /** QEMU's devices for the disk, which they call `disk`. Default: virtio-blk. */
  devices?: string[];
  /** Properties of its network card, which is virtio's. Default: QEMU's, that of before virtio 1 and of virtio 1 in one. */
  card?: string;
  /** In MiB. Default: 128. */
  memory?: number;
  /** What its clock shows when it is turned on, in UTC: `2031-02-03T04:05:06`. Default: the time. */
  time?: string;
  /** The cloud whose machine it is: QEMU's options for it, and the port of this machine that has its metadata service. */
  cloud?: { options: string[]; metadataPort: number };
}

/** A machine that knows nothing of the kernel: its firmware boots what is on the disk. */
export class Computer {
  #console = "";
  private readonly exited: Promise<void>;

  private constructor(
    private readonly qemu: ChildProcess,
    private readonly url: string,
  ) {
    for (const stream of [qemu.stdout, qemu.stderr])
      stream?.setEncoding("latin1").on("data", (text: string) => (this.#console += text));
    this.exited = new Promise((resolve) => qemu.once("close", () => resolve()));
  }

  static async start(options: ComputerOptions): Promise<Computer> {
    const {
      firmware,
      disk,
      format = "raw",
      devices = ["virtio-blk-pci,drive=disk,bootindex=0"],
      card = "",
      memory = 128,
      time = "utc",
      cloud,
    } = options;
    const port = await freePort();
    const network = cloud ? `,${linkLocalNetwork(cloud.metadataPort)}` : "";
    const qemu = spawn(
      "qemu-system-x86_64",
      [
        ...["-accel", "tcg", "-machine", "q35", "-cpu", "max", "-m", String(memory), ...FIRMWARE[firmware]],
        ...["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio"],
        ...["-rtc", `base=${time}`],
        ...["-chardev", `socket,id=control,fd=${CONTROL}`, "-mon", "chardev=control,mode=control"],
        ...["-drive", `if=none,id=disk,format=${format},snapshot=on,file=${disk}`],
        ...devices.flatMap((device) => ["-device", device]),
        ...["-netdev", `user,id=net,hostfwd=tcp:127.0.0.1:${port}-:8080${network}`, ...(cloud?.options ?? [])],
        ...["-device", `virtio-net-pci,netdev=net,romfile=${card && `,${card}`}`],
      ],
      { stdio: ["ignore", "pipe", "pipe", "pipe"], timeout: 170_000, killSignal: "SIGKILL" },
    );
    return new Computer(qemu, `http://127.0.0.1:${port}`);
  }

  /** The body of the first answer with status 200. */
  async text(location: string): Promise<string> {
    for (let tries = 0; tries < 600; tries++) {
      // QEMU accepts connections before anybody listens in the guest.
      const answer = await fetch(this.url + location, { signal: AbortSignal.timeout(2000) }).catch(() => undefined);
      if (answer?.status === 200) return answer.text();
      if (this.qemu.exitCode !== null || this.qemu.signalCode !== null) break;
      await sleep(200);
    }
    throw new Error(`${location} was not answered; the console has:\n${this.console}`);
  }

  /** Resolves when the console has this text. */
  async says(text: string): Promise<void> {
    for (let tries = 0; tries < 800 && !this.console.includes(text); tries++) await sleep(200);
    if (!this.console.includes(text)) throw new Error(`The console never had "${text}" but:\n${this.console}`);
  }

  get console(): string {
    return this.#console;
  }

  /** Presses the power button. @returns the status that QEMU ends with once the machine is off. */
  async powerOff(): Promise<number | null> {
    const control = await QmpClient.negotiate(this.qemu.stdio[CONTROL] as Duplex);
    await control.execute("system_powerdown");
    await this.exited;
    return this.qemu.exitCode;
  }

  async stop(): Promise<void> {
    this.qemu.kill("SIGKILL");
    await this.exited;
  }
}

/** QEMU's options for a network in which the port, if any, is reached at a metadata service's address. */
export function linkLocalNetwork(port: number | undefined): string {
  const relay = path.join(import.meta.dirname, "relay.sh");
  const forward = port === undefined ? "" : `,guestfwd=tcp:169.254.169.254:80-cmd:bash ${relay} ${port}`;
  return `net=169.254.0.0/16,host=169.254.0.2,dhcpstart=169.254.0.15${forward}`;
}

/** A port of this machine that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
