import { VisibleError } from "../../image/index.js";

/**
 * An error of writing to a folder as a sentence, when the disk or the folder's permissions are to blame; any other error as it is.
 *
 * @param what - What the folder holds: `the cache`.
 */
export function describeDiskError(error: unknown, what: string, folder: string): unknown {
  switch ((error as NodeJS.ErrnoException).code) {
    case "ENOSPC":
    case "EDQUOT":
      return new VisibleError(`The disk that holds ${what} ("${folder}") is full. Free some space and try again.`);
    case "EACCES":
    case "EPERM":
    case "EROFS":
    case "ENOTDIR":
      return new VisibleError(
        `The folder for ${what}, "${folder}", cannot be written to (${(error as NodeJS.ErrnoException).code}). Make it yours, or choose another one.`,
      );
    default:
      return error;
  }
}
