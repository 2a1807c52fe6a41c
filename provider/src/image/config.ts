import { VisibleError } from "./errors.js";
import type { RuntimeConfig } from "./runtime-config.js";
import type { RootFileSystem } from "./sources/source.js";
import { checkStopSignal } from "./stop-signal.js";
import type { ImageSpec } from "./types.js";
import { tmpfsMount } from "./tmpfs.js";
import { lookUpUser } from "./user.js";

const OCI_VERSION = "1.2.0";
/** Tells the kernel that files which were written at run time may be executed. */
const ALLOW_EXEC_WRITTEN = "org.pulumi.unikernel.allow-exec-written";
/** What Docker gives a container whose image names no `PATH`. */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * The runtime configuration of an image: the source's own description with the user's wishes over it.
 *
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.0/conversion.md
 */
export function runtimeConfig(spec: ImageSpec, { tree, defaults }: RootFileSystem): RuntimeConfig {
  const { user, home } = lookUpUser(tree, spec.user ?? defaults.user);
  const cwd = spec.workingDir ?? (defaults.workingDir === "" ? "/" : defaults.workingDir);
  if (!cwd.startsWith("/")) throw new VisibleError(`The working directory "${cwd}" is not an absolute path.`);
  const annotations = {
    ...defaults.annotations,
    ...(spec.allowExecWritten === undefined ? {} : { [ALLOW_EXEC_WRITTEN]: String(spec.allowExecWritten) }),
  };
  checkStopSignal(annotations);
  return {
    ociVersion: OCI_VERSION,
    process: {
      args: commandLine(spec, defaults),
      env: environment(spec, defaults.env, home),
      cwd,
      user,
    },
    root: { path: "rootfs", ...(spec.readOnlyRoot === true ? { readonly: true } : {}) },
    hostname: spec.hostname ?? "localhost",
    ...(spec.tmpfs === undefined ? {} : { mounts: spec.tmpfs.map(tmpfsMount) }),
    ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
  };
}

function commandLine(spec: ImageSpec, defaults: RootFileSystem["defaults"]): string[] {
  if (spec.command !== undefined) return [...spec.command, ...(spec.args ?? [])];
  return [...defaults.entrypoint, ...(spec.args ?? defaults.cmd)];
}

function environment(spec: ImageSpec, inherited: string[], home: string): string[] {
  const values = new Map<string, string>([
    ["PATH", DEFAULT_PATH],
    ["HOME", home],
  ]);
  for (const entry of inherited) {
    const equals = entry.indexOf("=");
    if (equals > 0) values.set(entry.slice(0, equals), entry.slice(equals + 1));
  }
  for (const [name, value] of Object.entries(spec.env ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (name === "" || /[=\0]/.test(name) || value.includes("\0")) {
      throw new VisibleError(
        `"${name}" cannot be the name of an environment variable: a name is not empty and has no "=" or NUL in it.`,
      );
    }
    values.set(name, value);
  }
  return [...values].map(([name, value]) => `${name}=${value}`);
}
