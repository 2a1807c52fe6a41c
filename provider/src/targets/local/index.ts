/** Runs images on this machine, in QEMU. */
export type { Machine } from "./arguments.js";
export { runForeground, type Foreground, type ForegroundOptions } from "./foreground.js";
export type { Ending, GuestEvent } from "./guest-status.js";
export { requireMemory } from "./memory.js";
export { observeInstance, type Observation } from "./observe.js";
export { defaultStateDir, portableConsolePath } from "./paths.js";
export type { PortMapping } from "./ports.js";
export { NotReadyError, startInstance, type InstanceSpec, type StartedInstance, type StartOptions } from "./start.js";
export { isOfAnother, type Ownership } from "./record.js";
export { removeInstance, type StopOptions } from "./stop.js";
