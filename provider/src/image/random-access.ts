import { fstatSync, readSync } from "node:fs";
import { VisibleError } from "./errors.js";

/** Bytes at any place of a file, or of a disk that is in it in some format. */
export interface RandomAccess {
  /** What messages call it: the path of the file. */
  readonly name: string;
  readonly size: number;
  /**
   * @throws {VisibleError} when the bytes are not there, or cannot be told.
   */
  read(offset: number, length: number): Buffer;
}

/** The bytes of an open file. */
export function fileBytes(name: string, file: number): RandomAccess {
  const { size } = fstatSync(file);
  return {
    name,
    size,
    read(offset, length) {
      if (offset < 0 || offset + length > size) throw cutShort(name);
      const buffer = Buffer.alloc(length);
      for (let done = 0; done < length;) {
        const count = readSync(file, buffer, done, length - done, offset + done);
        if (count === 0) throw cutShort(name);
        done += count;
      }
      return buffer;
    },
  };
}

/** A range of the bytes. */
export function part(bytes: RandomAccess, start: number, size: number): RandomAccess {
  if (start + size > bytes.size) throw cutShort(bytes.name);
  return {
    name: bytes.name,
    size,
    read(offset, length) {
      if (offset + length > size) throw cutShort(bytes.name);
      return bytes.read(start + offset, length);
    },
  };
}

/**
 * Bytes that come in units of one size each.
 *
 * @param unit - Gives the unit with this number; undefined when it is zero.
 */
export function inUnits(
  name: string,
  size: number,
  length: number,
  unit: (index: number) => Buffer | undefined,
): RandomAccess {
  return {
    name,
    size,
    read(offset, count) {
      if (offset + count > size) throw cutShort(name);
      const target = Buffer.alloc(count);
      for (let done = 0; done < count;) {
        const start = (offset + done) % length;
        const part = Math.min(count - done, length - start);
        unit(Math.floor((offset + done) / length))?.copy(target, done, start, start + part);
        done += part;
      }
      return target;
    },
  };
}

export function cutShort(name: string): VisibleError {
  return new VisibleError(`"${name}" is a disk that is cut short.`);
}
