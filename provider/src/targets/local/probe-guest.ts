/** Physical address that the code is loaded at and entered. */
const LOAD_ADDRESS = 0x10_0000;
const FILE_HEADER = 64;
const PROGRAM_HEADER = 56;
const CODE_OFFSET = 0x1000;

/** Number of the ELF note that gives a PVH kernel's 32-bit entry point (`XEN_ELFNOTE_PHYS32_ENTRY`). */
const NOTE_PHYS32_ENTRY = 18;

/**
 * An ELF file with a PVH note around 32-bit machine code, which `qemu -kernel` starts in protected mode without paging.
 *
 * @see https://xenbits.xen.org/docs/unstable/misc/pvh.html
 */
export function pvhKernel(code: Uint8Array): Buffer {
  const note = Buffer.alloc(24);
  note.writeUInt32LE(4, 0);
  note.writeUInt32LE(8, 4);
  note.writeUInt32LE(NOTE_PHYS32_ENTRY, 8);
  note.write("Xen\0", 12, "latin1");
  note.writeBigUInt64LE(BigInt(LOAD_ADDRESS), 16);

  const file = Buffer.alloc(CODE_OFFSET + code.length);
  file.set([0x7f, 0x45, 0x4c, 0x46, /* 64-bit */ 2, /* little-endian */ 1, /* version */ 1]);
  file.writeUInt16LE(2, 16); // ET_EXEC
  file.writeUInt16LE(62, 18); // EM_X86_64
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BigInt(LOAD_ADDRESS), 24);
  file.writeBigUInt64LE(BigInt(FILE_HEADER), 32);
  file.writeUInt16LE(FILE_HEADER, 52);
  file.writeUInt16LE(PROGRAM_HEADER, 54);
  file.writeUInt16LE(2, 56);
  file.writeUInt16LE(64, 58);

  const noteOffset = FILE_HEADER + 2 * PROGRAM_HEADER;
  programHeader(file, 0, {
    type: 1,
    flags: 7,
    offset: CODE_OFFSET,
    address: LOAD_ADDRESS,
    size: code.length,
    align: 0x1000,
  });
  programHeader(file, 1, { type: 4, flags: 4, offset: noteOffset, address: 0, size: note.length, align: 4 });
  note.copy(file, noteOffset);
  file.set(code, CODE_OFFSET);
  return file;
}

interface Segment {
  type: number;
  flags: number;
  offset: number;
  address: number;
  size: number;
  align: number;
}

function programHeader(file: Buffer, index: number, segment: Segment): void {
  const at = FILE_HEADER + index * PROGRAM_HEADER;
  file.writeUInt32LE(segment.type, at);
  file.writeUInt32LE(segment.flags, at + 4);
  file.writeBigUInt64LE(BigInt(segment.offset), at + 8);
  file.writeBigUInt64LE(BigInt(segment.address), at + 16);
  file.writeBigUInt64LE(BigInt(segment.address), at + 24);
  file.writeBigUInt64LE(BigInt(segment.size), at + 32);
  file.writeBigUInt64LE(BigInt(segment.size), at + 40);
  file.writeBigUInt64LE(BigInt(segment.align), at + 48);
}

/** Machine code for 32-bit protected mode without paging, as far as the probe and the tests of this folder need it. */
export const asm = {
  /** Writes one byte to an I/O port. */
  out(port: number, value: number): number[] {
    return [0xba, ...dword(port), 0xb0, value & 0xff, 0xee];
  },
  /** Stops until an interrupt, for ever. */
  halt(): number[] {
    return [0xfa, 0xf4, 0xeb, 0xfd];
  },
  /** Spins for ever. */
  spin(): number[] {
    return [0xeb, 0xfe];
  },
  /** Raises an exception with no handler: the CPU resets. */
  tripleFault(): number[] {
    return [0x0f, 0x01, 0x1d, ...dword(0), 0x0f, 0x0b];
  },
  /** Writes text to an I/O port, byte by byte. The code must be at the address that its place in `before` gives. */
  print(port: number, text: string, before: readonly number[]): number[] {
    const data = Buffer.from(text, "utf8");
    // jmp over the data; mov esi, data; mov ecx, length; mov edx, port; rep outsb
    const start = LOAD_ADDRESS + before.length + 5;
    return [
      0xe9,
      ...dword(data.length),
      ...data,
      0xbe,
      ...dword(start),
      0xb9,
      ...dword(data.length),
      0xba,
      ...dword(port),
      0xfc,
      0xf3,
      0x6e,
    ];
  },
};

function dword(value: number): number[] {
  return [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, (value >>> 24) & 0xff];
}

/** What the probe guest writes to isa-debug-exit; QEMU's exit status is then {@link PROBE_EXIT_STATUS}. */
const PROBE_VALUE = 0x2a;
/** isa-debug-exit ends QEMU with the value written, shifted left by one, plus one. */
export const PROBE_EXIT_STATUS = (PROBE_VALUE << 1) | 1;

/** A guest that ends QEMU as soon as it runs. */
export function probeKernel(): Buffer {
  return pvhKernel(Uint8Array.from([...asm.out(0x501, PROBE_VALUE), ...asm.halt()]));
}
