import { VisibleError } from "./errors.js";
import type { Mount } from "./runtime-config.js";
import type { TmpfsMount } from "./types.js";

/** Folders whose content is the kernel's; `/dev/shm` is the one below them that can be mounted over. */
const RESERVED = /^\/(?:(?:dev|proc|sys)(?:\/|$)|$)/;

/** The entry of `config.json` for a file system in memory. */
export function tmpfsMount({ path, size, mode, uid, gid, exec }: TmpfsMount): Mount {
  const destination = path.replace(/\/+$/, "") || "/";
  if (!path.startsWith("/") || destination.split("/").some((part) => part === ".." || part === ".")) {
    throw new VisibleError(`A tmpfs cannot be mounted at "${path}": write an absolute path without "." and "..".`);
  }
  if (RESERVED.test(destination) && destination !== "/dev/shm")
    throw new VisibleError(`A tmpfs cannot be mounted at "${path}": what lies there is the kernel's own.`);
  if (mode !== undefined && !/^[0-7]{1,4}$/.test(mode)) {
    throw new VisibleError(
      `"${mode}" is no mode for the tmpfs at "${path}": write permission bits in octal, as "1777".`,
    );
  }
  const options = [
    "nosuid",
    "nodev",
    exec === true ? "exec" : "noexec",
    ...(size === undefined ? [] : [`size=${number(size, "size", path)}`]),
    ...(mode === undefined ? [] : [`mode=${mode}`]),
    ...(uid === undefined ? [] : [`uid=${number(uid, "uid", path)}`]),
    ...(gid === undefined ? [] : [`gid=${number(gid, "gid", path)}`]),
  ];
  return { destination, type: "tmpfs", source: "tmpfs", options };
}

function number(value: number, name: string, path: string): number {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new VisibleError(`The ${name} of the tmpfs at "${path}" is ${value}: it must be a whole number from 0 on.`);
  return value;
}
