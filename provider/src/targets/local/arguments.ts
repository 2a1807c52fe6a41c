import type { Accelerator } from "./accelerator.js";
import { QBOOT, SANDBOX } from "./accelerator.js";
import type { PortMapping } from "./ports.js";

/** A machine that QEMU emulates: `q35` (PCI Express), `pc` (PCI), `microvm` (no PCI). */
export type Machine = "q35" | "pc" | "microvm";

/** All that decides QEMU's command line. */
export interface GuestHardware {
  machine: Machine;
  accelerator: Accelerator;
  /** Confine QEMU with seccomp. */
  sandbox: boolean;
  /** Start the kernel by {@link QBOOT}, where it knows the machine. */
  qboot: boolean;
  /** In bytes. */
  memory: number;
  cpus: number;
  /** Path of the kernel's ELF file. */
  kernel: string;
  /** Path of the disk. */
  disk: string;
  ports: readonly PortMapping[];
  /** Path of the file that holds the instance's configuration. */
  config?: string | undefined;
  /** Where the status channel leads. */
  status: { file: string } | { fd: number };
  /** Where the serial port leads: a file, or QEMU's own standard input and output. */
  console: { file: string } | "stdio";
  /** The control socket: a path to listen on, or a connected socket. */
  qmp: { socket: string } | { fd: number };
  /** Path of the pid file. */
  pidFile?: string | undefined;
  /** Shown by process listings. */
  name: string;
}

/**
 * What q35 and pc would have that no guest of ours uses, and that takes time to make and to look at. SMM is of no use without UEFI and slows
 * SeaBIOS down.
 */
const WITHOUT = ["smm", "usb", "sata", "smbus", "hpet", "vmport"].map((part) => `${part}=off`).join(",");

/** QEMU's command line, as the kernel's README lays the hand-over down. */
export function qemuArguments(guest: GuestHardware): string[] {
  const bus = guest.machine === "microvm" ? "device" : "pci";
  return [
    ...["-name", `guest=${value(guest.name)}`],
    // With graphics=off SeaBIOS would write to the console.
    ...["-machine", guest.machine === "microvm" ? "microvm,acpi=on,ioapic2=off" : `${guest.machine},${WITHOUT}`],
    // The firmware that microvm has of its own is as quick.
    ...(guest.qboot && bus === "pci" ? ["-bios", QBOOT] : []),
    // Virtio of version 1, which microvm offers only when asked.
    ...(bus === "device" ? ["-global", "virtio-mmio.force-legacy=false"] : []),
    ...["-accel", guest.accelerator],
    ...["-cpu", guest.accelerator === "tcg" ? "max" : "host"],
    ...["-smp", String(guest.cpus)],
    ...["-m", `size=${Math.ceil(guest.memory / 1024)}K`],
    ...["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"],
    ...(guest.sandbox ? ["-sandbox", SANDBOX] : []),
    ...["-kernel", guest.kernel],
    ...["-drive", `if=none,id=root,format=raw,read-only=on,file=${value(guest.disk)}`],
    ...["-device", `virtio-blk-${bus},drive=root`],
    // IPv6 is on, which QEMU forwards no ports by.
    ...["-netdev", ["user", "id=net", ...guest.ports.map(forward)].join(",")],
    // No option ROM: nothing boots from the network.
    ...["-device", bus === "pci" ? "virtio-net-pci,netdev=net,romfile=" : "virtio-net-device,netdev=net"],
    ...["-device", `virtio-rng-${bus}`],
    // Appended to: whoever empties the file while the guest runs, as logrotate does, gets the room back.
    ...[
      "-chardev",
      `${guest.console === "stdio" ? "stdio,signal=off" : `${file(guest.console)},append=on`},id=console`,
    ],
    ...["-serial", "chardev:console"],
    ...["-chardev", `${"fd" in guest.status ? socket(guest.status) : file(guest.status)},id=status`],
    ...["-device", "isa-debugcon,iobase=0xe9,readback=0xe9,chardev=status"],
    ...["-device", "isa-debug-exit,iobase=0x501,iosize=2"],
    ...(guest.config === undefined
      ? []
      : ["-fw_cfg", `name=opt/org.pulumi.unikernel/config.json,file=${value(guest.config)}`]),
    ...["-chardev", `${"fd" in guest.qmp ? socket(guest.qmp) : listener(guest.qmp)},id=qmp`],
    ...["-mon", "chardev=qmp,mode=control"],
    ...(guest.pidFile === undefined ? [] : ["-pidfile", guest.pidFile]),
  ];
}

const file = (to: { file: string }): string => `file,path=${value(to.file)}`;
const socket = (to: { fd: number }): string => `socket,fd=${to.fd}`;
const listener = (at: { socket: string }): string => `socket,path=${value(at.socket)},server=on,wait=off`;

function forward(port: PortMapping): string {
  return `hostfwd=${port.protocol}:${port.hostAddress}:${port.host}-:${port.guest}`;
}

/** QEMU separates options by commas and takes a doubled one as itself. */
function value(text: string): string {
  return text.replaceAll(",", ",,");
}
