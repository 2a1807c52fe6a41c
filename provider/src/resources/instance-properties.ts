import type { Owner } from "../image/index.js";

/** A port of the guest that is reached through a port of the host. */
export interface PortMapping {
  /**
   * Port that the application listens on.
   * @minimum 1
   * @maximum 65535
   * @asType integer
   */
  guest: number;
  /**
   * Port of the host. 0 takes one that is free and keeps it for as long as the instance lives. Default: the same number as `guest`.
   * @minimum 0
   * @maximum 65535
   * @asType integer
   */
  host?: number;
  /** Default: `tcp`. */
  protocol?: "tcp" | "udp";
  /** IPv4 address of the host to listen on; `0.0.0.0` is all of them. Default: `127.0.0.1`, which only this machine reaches. */
  hostAddress?: string;
}

/** A port of the guest and the port of the host that leads to it. */
export interface InstancePort {
  /** @asType integer */
  guest: number;
  /** @asType integer */
  host: number;
  protocol: "tcp" | "udp";
  /** IPv4 address of the host. */
  hostAddress: string;
}

/** A file of one instance. It lives in memory, as all that is written does. */
export interface InstanceFileContent {
  /** What is in it. Default: nothing. */
  content?: string;
  /** How `content` stands for bytes: as itself, or by RFC 4648. Default: `utf-8`. */
  encoding?: "utf-8" | "base64";
  /** The permission bits, as octal digits. Default: `"0644"`. */
  permissions?: string;
  /** Whose it is. Default: the application's user. */
  owner?: Owner;
}

/** How long things may take: a text with a unit (`"90 s"`, `"2 min"`), or a number of seconds. */
export interface Timeouts {
  /** Until every port answers. Default: `"60 s"`. */
  start?: string | number;
  /** Until the application has ended after its image's stop signal (SIGTERM unless the container says otherwise); then it is ended by force. Default: `"10 s"`. */
  stop?: string | number;
}

/** What to run, and with how much. */
export interface InstanceInputs {
  /** Digest of the image to run. */
  image: string;
  /**
   * Name of the instance, unique on this machine: letters, digits, `-`, `_` and `.`. Default: the resource's name with a suffix
   * that tells projects and stacks apart.
   */
  name?: string;
  /** Memory of the guest: a text with a unit (`"128 MiB"`, `"1 GiB"`), or a number of bytes. Default: `"128 MiB"`. */
  memory?: string | number;
  /**
   * Number of processors. Default: 1.
   * @minimum 1
   * @maximum 8
   * @asType integer
   */
  cpus?: number;
  /**
   * Ports of the guest that are reached through ports of the host; a plain number is short for the same port on both. The instance is
   * ready when the application listens on all of them, and not on the guest's loopback (127.0.0.1) alone. Default: none.
   */
  ports?: (PortMapping | number)[];
  /**
   * Environment variables, merged by name over the image's own. They reach the guest when it boots and are never part of the image, nor
   * of any command line or file: they may be secrets, or hold another resource's output.
   */
  env?: { [name: string]: string };
  /** Replaces the image's command line. */
  command?: string[];
  /** The guest's host name. Default: the image's own. */
  hostname?: string;
  /**
   * Files to write before the application starts, by absolute path; a plain text is short for a file with it as content. What is there is
   * replaced, and directories that are missing are made. Like the environment, they reach the guest when it boots and are never part of the
   * image, and may be secrets.
   */
  files?: { [path: string]: InstanceFileContent | string };
  /** The machine that QEMU emulates. Default: `q35`. */
  machine?: "q35" | "pc" | "microvm";
  /** How long starting and stopping may take. */
  timeouts?: Timeouts;
}

/** What a running instance is. */
export interface InstanceOutputs {
  /** The ports, with every host port chosen. */
  ports: InstancePort[];
  /** Host address and port of the first port: `127.0.0.1:8080`. Without ports there is none. */
  address?: string;
  /** URL of the first TCP port: `http://127.0.0.1:8080`. Without one there is none. */
  url?: string;
  /**
   * `running`; `exited`, when the application has ended with status 0; `failed`, when it or its guest has ended in any other way. As
   * of the last `pulumi up` or `pulumi refresh`.
   */
  state: "running" | "exited" | "failed";
  /**
   * Exit status of the application, as a shell gives it (128 plus the signal's number when a signal ended it). Only when it has ended.
   * @asType integer
   */
  exitCode?: number;
  /** Why it has ended. */
  reason?: string;
  /**
   * Path of the file that holds all that the guest has written to its console. Home and state folder are written as a shell expands them. After
   * the guest was started anew, `console.log.1` beside it holds what the one before it wrote.
   *
   * It grows for as long as the guest writes. It may be emptied at any time, by logrotate with `copytruncate` for instance.
   */
  consoleLog: string;
}
