// Where things are in the project and in the user's cache.
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
export const inRoot = (...parts) => path.join(root, ...parts);

const cacheHome = process.env.XDG_CACHE_HOME || path.join(os.homedir(), ".cache");
/** Tools that setup installs for this project, each in a folder that bears its version. */
export const toolsCache = path.join(cacheHome, "unikernel", "tools");

/** The build results of the kernel and its boot loaders, as the package ships them. */
export const kernelImage = inRoot("provider", "kernel", "x86_64", "kernel.elf");
export const biosLoader = inRoot("provider", "kernel", "x86_64", "loader.bios");
export const uefiLoader = inRoot("provider", "kernel", "x86_64", "loader.efi");
export const exampleFolder = inRoot("examples", "ruby-container");
export const guestsBuild = inRoot("test", "guests", "build");
/** The container images that tests boot, OCI layout folders. */
export const guestContainers = path.join(guestsBuild, "containers");
