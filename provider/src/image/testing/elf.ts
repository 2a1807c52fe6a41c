/** The smallest ELF file that says what a test needs it to say. It loads, and ends with exit status 0. */
export function elf(
  options: {
    machine?: number;
    bits?: 32 | 64;
    type?: number;
    interpreter?: string;
    needed?: string[];
    rpath?: string;
    runpath?: string;
  } = {},
): Buffer {
  const { machine = 62, bits = 64, type = 2, interpreter, needed, rpath, runpath } = options;
  const strings = Buffer.from(`\0${[...(needed ?? []), rpath ?? "", runpath ?? ""].join("\0")}\0`);
  const at = (text: string): bigint => BigInt(strings.indexOf(`\0${text}\0`) + 1);
  const base = 0x400000n;
  const dynamicOffset = 0x400;
  const stringsOffset = 0x800;
  const tags: [bigint, bigint][] = [
    ...(needed ?? []).map((name): [bigint, bigint] => [1n, at(name)]),
    ...(rpath !== undefined ? [[15n, at(rpath)] as [bigint, bigint]] : []),
    ...(runpath !== undefined ? [[29n, at(runpath)] as [bigint, bigint]] : []),
    [5n, base + BigInt(stringsOffset)],
    [10n, BigInt(strings.length)],
    [0n, 0n],
  ];
  const isDynamic = needed !== undefined || rpath !== undefined || runpath !== undefined;

  const file = Buffer.alloc(stringsOffset + strings.length);
  file.set([0x7f, 0x45, 0x4c, 0x46, bits === 64 ? 2 : 1, 1, 1]);
  file.writeUInt16LE(type, 16);
  file.writeUInt16LE(machine, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(base + 0x300n, 24);
  file.writeBigUInt64LE(64n, 32);
  file.writeUInt16LE(64, 52);
  file.writeUInt16LE(56, 54);
  const headers: [type: number, flags: number, offset: number, size: number][] = [
    ...(interpreter !== undefined ? [[3, 4, 0x380, interpreter.length + 1] as [number, number, number, number]] : []),
    [1, 5, 0, file.length],
    ...(isDynamic ? [[2, 4, dynamicOffset, tags.length * 16] as [number, number, number, number]] : []),
  ];
  file.writeUInt16LE(headers.length, 56);
  headers.forEach(([type, flags, offset, size], index) => {
    const header = 64 + index * 56;
    file.writeUInt32LE(type, header);
    file.writeUInt32LE(flags, header + 4);
    file.writeBigUInt64LE(BigInt(offset), header + 8);
    file.writeBigUInt64LE(base + BigInt(offset), header + 16);
    file.writeBigUInt64LE(BigInt(size), header + 32);
    file.writeBigUInt64LE(BigInt(size), header + 40);
    file.writeBigUInt64LE(0x1000n, header + 48);
  });
  // mov $60, %eax; xor %edi, %edi; syscall
  file.set([0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05], 0x300);
  if (interpreter !== undefined) file.write(`${interpreter}\0`, 0x380);
  tags.forEach(([tag, value], index) => {
    file.writeBigUInt64LE(tag, dynamicOffset + index * 16);
    file.writeBigUInt64LE(value, dynamicOffset + index * 16 + 8);
  });
  strings.copy(file, stringsOffset);
  return file;
}
