import { VisibleError } from "../../image/index.js";

/**
 * Sees that a guest has the memory that its image needs to start.
 *
 * @throws {VisibleError} when it has not; the message says how much it needs.
 */
export function requireMemory(spec: { memory: number; image: { minimumMemory: number } }): void {
  if (spec.memory >= spec.image.minimumMemory) return;
  const needed = Math.ceil(spec.image.minimumMemory / MIB);
  throw new VisibleError(
    `${formatMemory(spec.memory)} of memory is too small for this image: it needs at least ${needed} MiB to start. Set memory to "${needed} MiB" or more.`,
  );
}

const MIB = 1024 * 1024;

function formatMemory(bytes: number): string {
  return bytes % MIB === 0 ? `${bytes / MIB} MiB` : bytes >= MIB ? `${(bytes / MIB).toFixed(1)} MiB` : `${bytes} bytes`;
}
