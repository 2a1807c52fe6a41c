import type { InstanceConfig } from "../image/index.js";
import type { InstanceInputs } from "./instance-properties.js";

/** What an instance changes of its image. */
export type InstanceValues = { [K in "env" | "command" | "hostname" | "files"]?: InstanceInputs[K] | undefined };

/** The same in the shape that the guest takes it in. */
export function instanceConfig({ env, command, hostname, files }: InstanceValues): InstanceConfig {
  const process = {
    ...(env && { env: Object.entries(env).map(([name, value]) => `${name}=${value}`) }),
    ...(command && { args: command }),
  };
  return {
    ...(Object.keys(process).length > 0 && { process }),
    ...(hostname !== undefined && { hostname }),
    ...(files && {
      files: Object.entries(files).map(([path, file]) => ({
        path,
        ...(typeof file === "string" ? { content: file } : file),
      })),
    }),
  };
}
