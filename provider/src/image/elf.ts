/**
 * The parts of an ELF file that decide what it needs to run.
 *
 * @see https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html
 */

/** Reads `length` bytes at `offset`; fewer at the end of the file. */
export type ReadAt = (offset: number, length: number) => Buffer;

export interface Elf {
  /** Path of the dynamic loader (`PT_INTERP`); undefined for a static program. */
  interpreter: string | undefined;
  /** Names of the libraries it needs (`DT_NEEDED`). */
  needed: string[];
  rpath: string[];
  runpath: string[];
  /** Whether the default folders of the loader are not to be searched (`DF_1_NODEFLIB`). */
  noDefaultLibraries: boolean;
  segments: {
    offset: number;
    address: number;
    fileSize: number;
    memorySize: number;
    writable: boolean;
    executable: boolean;
  }[];
}

/** Why a file is no x86-64 ELF program: the end of a sentence that begins with its name. */
export class ElfError extends Error {}

const EM_X86_64 = 62;
const MACHINES: Record<number, string> = {
  2: "SPARC",
  3: "32-bit x86",
  8: "MIPS",
  20: "PowerPC",
  21: "64-bit PowerPC",
  22: "IBM Z (s390)",
  40: "32-bit Arm",
  43: "SPARC V9",
  183: "64-bit Arm (aarch64)",
  243: "RISC-V",
  258: "LoongArch",
};

const ET_EXEC = 2;
const ET_DYN = 3;
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
const DT_STRSZ = 10;
const DT_RPATH = 15;
const DT_RUNPATH = 29;
const DT_FLAGS_1 = 0x6ffffffb;
const DF_1_NODEFLIB = 0x800;

export function isElf(start: Buffer): boolean {
  return start.length >= 4 && start.readUInt32BE(0) === 0x7f454c46;
}

/**
 * @throws {ElfError} when it is not an ELF file for x86-64 Linux.
 */
export function parseElf(read: ReadAt): Elf {
  const header = read(0, 64);
  if (!isElf(header)) throw new ElfError("is not an ELF file");
  if (header.length < 64) throw new ElfError("is an ELF file that is cut short");
  const bits = header[4] === 1 ? 32 : 64;
  const machine = header[5] === 2 ? header.readUInt16BE(18) : header.readUInt16LE(18);
  if (machine !== EM_X86_64)
    throw new ElfError(`is an ELF file for ${MACHINES[machine] ?? `machine number ${machine}`}; only x86-64 runs`);
  if (bits === 32) throw new ElfError("is a 32-bit ELF file; only 64-bit x86-64 runs");
  const type = header.readUInt16LE(16);
  if (type !== ET_EXEC && type !== ET_DYN)
    throw new ElfError(`is an ELF file of type ${type} (an object file or a core dump), not a program`);

  const headers = programHeaders(header, read);
  const segments: Elf["segments"] = headers
    .filter((segment) => segment.type === PT_LOAD)
    .map(({ offset, address, fileSize, memorySize, flags }) => ({
      offset,
      address,
      fileSize,
      memorySize,
      writable: (flags & 2) !== 0,
      executable: (flags & 1) !== 0,
    }));
  const interp = headers.find((segment) => segment.type === PT_INTERP);
  const dynamic = headers.find((segment) => segment.type === PT_DYNAMIC);
  return {
    interpreter: interp && cString(readAll(read, interp.offset, interp.fileSize), 0),
    segments,
    ...dynamicSection(dynamic, segments, read),
  };
}

interface ProgramHeader {
  type: number;
  flags: number;
  offset: number;
  address: number;
  fileSize: number;
  memorySize: number;
}

function programHeaders(header: Buffer, read: ReadAt): ProgramHeader[] {
  const offset = Number(header.readBigUInt64LE(32));
  const size = header.readUInt16LE(54);
  const count = header.readUInt16LE(56);
  if (count > 0 && size < 56) throw new ElfError("is an ELF file with broken program headers");
  const table = readAll(read, offset, size * count);
  return Array.from({ length: count }, (_, index) => {
    const entry = table.subarray(index * size);
    return {
      type: entry.readUInt32LE(0),
      flags: entry.readUInt32LE(4),
      offset: Number(entry.readBigUInt64LE(8)),
      address: Number(entry.readBigUInt64LE(16)),
      fileSize: Number(entry.readBigUInt64LE(32)),
      memorySize: Number(entry.readBigUInt64LE(40)),
    };
  });
}

function dynamicSection(
  header: ProgramHeader | undefined,
  segments: Elf["segments"],
  read: ReadAt,
): Pick<Elf, "needed" | "rpath" | "runpath" | "noDefaultLibraries"> {
  const result = { needed: [] as string[], rpath: [] as string[], runpath: [] as string[], noDefaultLibraries: false };
  if (!header) return result;
  const section = readAll(read, header.offset, header.fileSize);
  const entries: [tag: number, value: number][] = [];
  for (let offset = 0; offset + 16 <= section.length; offset += 16) {
    const tag = Number(section.readBigInt64LE(offset));
    if (tag === 0) break;
    entries.push([tag, Number(section.readBigUInt64LE(offset + 8))]);
  }
  const value = (wanted: number): number | undefined => entries.find(([tag]) => tag === wanted)?.[1];
  const address = value(DT_STRTAB);
  const home = segments.find(
    (segment) => address !== undefined && address >= segment.address && address < segment.address + segment.fileSize,
  );
  if (address === undefined || home === undefined) return result;
  const strings = readAll(read, home.offset + address - home.address, value(DT_STRSZ) ?? 0);
  for (const [tag, offset] of entries) {
    if (tag === DT_NEEDED) result.needed.push(cString(strings, offset));
    if (tag === DT_RPATH) result.rpath = cString(strings, offset).split(":");
    if (tag === DT_RUNPATH) result.runpath = cString(strings, offset).split(":");
  }
  result.noDefaultLibraries = ((value(DT_FLAGS_1) ?? 0) & DF_1_NODEFLIB) !== 0;
  return result;
}

function readAll(read: ReadAt, offset: number, length: number): Buffer {
  if (length > 64 * 1024 * 1024) throw new ElfError("is an ELF file with broken headers");
  const data = read(offset, length);
  if (data.length < length) throw new ElfError("is an ELF file that is cut short");
  return data;
}

function cString(data: Buffer, offset: number): string {
  if (offset >= data.length) throw new ElfError("is an ELF file with broken strings");
  const end = data.indexOf(0, offset);
  return data.toString("latin1", offset, end < 0 ? data.length : end);
}
