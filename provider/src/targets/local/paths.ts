import { createHash } from "node:crypto";
import { lstat, mkdir } from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { VisibleError } from "../../image/index.js";

/** A Unix socket's path holds 108 bytes on Linux and 104 on macOS, with the zero at its end. */
const LONGEST_SOCKET_PATH = 103;

/** Where this machine keeps its instances: `$XDG_STATE_HOME/unikernel`, else `~/.local/state/unikernel`. */
export function defaultStateDir(): string {
  const home = process.env["XDG_STATE_HOME"];
  return path.join(home && path.isAbsolute(home) ? home : path.join(os.homedir(), ".local", "state"), "unikernel");
}

/** The files of one instance. */
export interface InstancePaths {
  folder: string;
  /** What was started, for whoever looks after it next. */
  record: string;
  /** Written and locked by QEMU itself. */
  pid: string;
  /** What the guest wrote to its serial port. */
  console: string;
  /** What the guest before it wrote, when it was started anew. */
  formerConsole: string;
  /** The guest's status channel. */
  status: string;
  /** QEMU's own complaints. */
  log: string;
}

/** The files of the instance with this id. */
export function instancePaths(stateDir: string, id: string): InstancePaths {
  const folder = path.join(stateDir, "instances", id);
  return {
    folder,
    record: path.join(folder, "instance.json"),
    pid: path.join(folder, "qemu.pid"),
    console: path.join(folder, "console.log"),
    formerConsole: path.join(folder, "console.log.1"),
    status: path.join(folder, "status.jsonl"),
    log: path.join(folder, "qemu.log"),
  };
}

/**
 * The console log's path as it is kept in Pulumi's state: the same for every user and machine, and a shell expands it.
 */
export function portableConsolePath(id: string): string {
  const home = process.env["XDG_STATE_HOME"];
  return `${home && path.isAbsolute(home) ? "$XDG_STATE_HOME" : "~/.local/state"}/unikernel/instances/${id}/console.log`;
}

/** The path of an instance's QMP socket: in its own folder, or under the temporary folder when that path is too long for a socket. */
export function qmpSocketPath(folder: string): string {
  const own = path.join(folder, "qmp.sock");
  if (Buffer.byteLength(own) <= LONGEST_SOCKET_PATH) return own;
  const key = createHash("sha256").update(folder).digest("hex").slice(0, 16);
  return path.join(socketFolder(), `${key}.sock`);
}

function socketFolder(): string {
  return path.join("/tmp", `unikernel-${process.getuid?.() ?? os.userInfo().username}`);
}

/** Makes the folder of a socket and sees to it that only this user can reach it. */
export async function prepareSocketFolder(socket: string): Promise<void> {
  const folder = path.dirname(socket);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const found = await lstat(folder);
  const uid = process.getuid?.();
  if (
    !found.isDirectory() ||
    (uid !== undefined && found.uid !== uid) ||
    (folder === socketFolder() && (found.mode & 0o077) !== 0)
  ) {
    throw new VisibleError(
      `${folder} must be a folder that only you can open, for the sockets that QEMU is controlled by. Remove it and try again.`,
    );
  }
}
