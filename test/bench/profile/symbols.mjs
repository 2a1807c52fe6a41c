// The kernel's functions by address.
import { capture } from "../../../scripts/lib/process.mjs";
import { VisibleError } from "../../../scripts/lib/terminal.mjs";

const pageSize = 4096n;
/** The kernel lies at a random place; its first executed page is at most so far into it. */
const mostOfKernel = 4n << 20n;

/** The functions of an ELF file with symbols, in the order of their addresses, which are relative to where it is loaded. */
function functions(file) {
  const output = capture("nm", ["--demangle", "--defined-only", file], { maxBuffer: 1 << 28 });
  if (output === undefined)
    throw new VisibleError(`\`nm ${file}\` failed: is binutils installed, and the kernel built?`);
  const found = [];
  for (const line of output.split("\n")) {
    const [, address, name] = /^([0-9a-f]+) [tT] (.*)$/.exec(line) ?? [];
    // Rust's names end with a hash.
    if (address) found.push({ address: BigInt(`0x${address}`), name: name.replace(/::h[0-9a-f]{16}$/, "") });
  }
  return found.sort((a, b) => (a.address < b.address ? -1 : 1));
}

/** Where the kernel lies: where most of the blocks begin with a function. */
function findBase(blocks, symbols) {
  const starts = new Set(symbols.map(({ address }) => address));
  const lowest = blocks.reduce((least, { address }) => (address < least ? address : least), blocks[0].address);
  let best = { score: -1 };
  const first = lowest - (lowest % pageSize);
  for (let base = first - mostOfKernel; base <= first; base += pageSize) {
    const score = blocks.filter(({ address }) => starts.has(address - base)).length;
    if (score > best.score) best = { base, score };
  }
  return best.base;
}

/**
 * The kernel's functions and what each has a share of, largest first.
 * @param {{ address: bigint, amount: number }[]} blocks In the kernel.
 * @param {string} file The kernel with its symbols.
 */
export function byFunction(blocks, file) {
  if (blocks.length === 0) return [];
  const symbols = functions(file);
  const base = findBase(blocks, symbols);
  const amounts = new Map();
  for (const { address, amount } of blocks) {
    let [low, high] = [0, symbols.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (symbols[middle].address <= address - base) low = middle + 1;
      else high = middle;
    }
    const name = symbols[low - 1]?.name ?? "?";
    amounts.set(name, (amounts.get(name) ?? 0) + amount);
  }
  return [...amounts].map(([name, amount]) => ({ name, amount })).sort((a, b) => b.amount - a.amount);
}
