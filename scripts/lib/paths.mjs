// Where things are in the project and in the user's cache.
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
export const inRoot = (...parts) => path.join(root, ...parts);

const cacheHome = process.env.XDG_CACHE_HOME || path.join(os.homedir(), ".cache");
/** Tools that setup installs for this project, each in a folder that bears its version. */
export const toolsCache = path.join(cacheHome, "unikernel", "tools");

/** The kernel's build result, as the package ships it. */
export const kernelImage = inRoot("provider", "kernel", "x86_64", "kernel.elf");
export const exampleFolder = inRoot("examples", "ruby-container");
export const guestsBuild = inRoot("test", "guests", "build");
