import type { ParseArgsConfig } from "node:util";
import type { ImageSpec, TmpfsMount } from "../image/index.js";
import type { Invocation } from "./main.js";
import { UsageError } from "./usage-error.js";

/** The part of an image's specification that these options set. */
type Settings = Pick<ImageSpec, "readOnlyRoot" | "tmpfs" | "allowExecWritten">;

/** Options that become part of an image, for every command that builds one to run. */
export const imageOptions = {
  "read-only": { type: "boolean" },
  tmpfs: { type: "string", multiple: true },
  "allow-exec-written": { type: "boolean" },
} satisfies NonNullable<ParseArgsConfig["options"]>;

/** What they say. */
export function imageSettings(values: Invocation["values"]): Settings {
  const tmpfs = (values["tmpfs"] ?? []) as string[];
  return {
    ...(values["read-only"] === true && { readOnlyRoot: true }),
    ...(tmpfs.length > 0 && { tmpfs: tmpfs.map(parseTmpfs) }),
    ...(values["allow-exec-written"] === true && { allowExecWritten: true }),
  };
}

/** A file system in memory from `PATH[:OPTION,…]`, as `docker run --tmpfs` takes it. */
function parseTmpfs(text: string): TmpfsMount {
  const [path = "", options = ""] = text.split(/:(.*)/s);
  const mount: TmpfsMount = { path };
  for (const option of options === "" ? [] : options.split(",")) {
    const [name = "", value = ""] = option.split("=", 2);
    switch (name) {
      case "size":
        mount.size = parseSize(value);
        break;
      case "mode":
        mount.mode = value;
        break;
      case "uid":
      case "gid":
        mount[name] = value === "" ? Number.NaN : Number(value);
        break;
      case "exec":
      case "noexec":
        mount.exec = name === "exec";
        break;
      default:
        throw new UsageError(
          `"${option}" is no option of a tmpfs: there are size=, mode=, uid=, gid=, exec and noexec, as in \`--tmpfs /run:size=16m,mode=755\`.`,
        );
    }
  }
  return mount;
}

/** Bytes from a number with tmpfs's own suffixes, which are powers of 1024. */
function parseSize(text: string): number {
  const [, amount, suffix] = /^(\d+)([kmg]?)$/i.exec(text) ?? [];
  if (amount === undefined) throw new UsageError(`"${text}" is no size of a tmpfs: write 65536, 64k, 16m or 1g.`);
  return Number(amount) * 1024 ** ["", "k", "m", "g"].indexOf((suffix ?? "").toLowerCase());
}
