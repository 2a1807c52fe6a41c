import { VisibleError } from "./errors.js";
import { makeDirectories } from "./make-directories.js";
import type { RuntimeConfig } from "./runtime-config.js";
import { FIXED_TIME } from "./sources/directory.js";
import { type Directory, toByteString, toText } from "./tree.js";

/**
 * Makes the working directory where the tree has none, as container runtimes do: root's, whoever the application runs as.
 *
 * @throws {VisibleError} when something else has its name.
 */
export function makeWorkingDirectory(root: Directory, { process: { cwd } }: RuntimeConfig): void {
  const made = makeDirectories(root, toByteString(cwd), { mtime: FIXED_TIME });
  if (typeof made !== "string") return;
  throw new VisibleError(
    `The working directory "${cwd}" cannot be used: "${toText(made)}" is in the image and is not a directory. Give another with \`workingDir\`.`,
  );
}
