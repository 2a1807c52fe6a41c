import { closeSync, openSync, readSync } from "node:fs";
import { type Elf, ElfError, parseElf } from "../elf.js";
import { errorCode, VisibleError } from "../errors.js";

/** Reads an ELF file of the host. */
export function readElf(path: string, messages: { missing: string; subject: string }): Elf {
  try {
    return parse(path);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(errorCode(error) ?? "")) throw new VisibleError(messages.missing);
    if (errorCode(error) === "EISDIR") throw new VisibleError(`${messages.subject} is a directory.`);
    if (errorCode(error) === "EACCES") throw new VisibleError(`${messages.subject} cannot be read: permission denied.`);
    if (error instanceof ElfError) throw new VisibleError(`${messages.subject} ${error.message}.`);
    throw error;
  }
}

/** An ELF file of the host; undefined when there is none, or none for this machine. Loaders pass over such files too. */
export function tryReadElf(path: string): Elf | undefined {
  try {
    return parse(path);
  } catch (error) {
    if (error instanceof ElfError || errorCode(error) !== undefined) return undefined;
    throw error;
  }
}

function parse(path: string): Elf {
  const file = openSync(path, "r");
  try {
    return parseElf((offset, length) => {
      const buffer = Buffer.alloc(length);
      return buffer.subarray(0, readSync(file, buffer, 0, length, offset));
    });
  } finally {
    closeSync(file);
  }
}
