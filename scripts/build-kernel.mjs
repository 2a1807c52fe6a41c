// Builds the kernel and its boot loaders for bare metal and puts them, without symbols, where the package ships them from. The kernel
// with its symbols stays in kernel/target for debuggers and backtraces.
import { copyFileSync, mkdirSync, renameSync, statSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { biosLoader, inRoot, kernelImage, root, uefiLoader } from "./lib/paths.mjs";
import { run } from "./lib/process.mjs";
import { fingerprint, isCurrent, writeStamp } from "./lib/stamp.mjs";
import { main, step } from "./lib/terminal.mjs";
import { rust, target, uefiTarget } from "./tools/rust.mjs";

const workspace = inRoot("kernel");
const built = (target, name) => path.join(workspace, "target", target, "release", name);
/** The kernel with its symbols. */
export const kernelWithSymbols = built(target, "unikernel");
const outputs = [kernelImage, biosLoader, uefiLoader];

/** @param {import("./tools/rust.mjs").Rust} [toolchain] */
export async function buildKernel(toolchain) {
  const { cargo, env, bareMetal, uefi } = toolchain ?? (await rust());
  const stamp = path.join(workspace, "target", ".kernel.stamp");
  const print = fingerprint([workspace], [cargo, bareMetal, uefi]);
  if (isCurrent(stamp, print, outputs)) return;
  const build = (name, how) =>
    run(cargo, ["build", "--release", "--locked", "--package", name, ...how], {
      cwd: workspace,
      quiet: !process.stderr.isTTY,
      env,
    });
  await step("Build the kernel", "in Rust, for bare metal", async () => {
    await build("unikernel", bareMetal);
    await ship(kernelImage, (file) => binutils("strip", "--strip-all", "-o", file, kernelWithSymbols));
  });
  await step("Build the boot loaders", "for BIOS and UEFI", async () => {
    await build("loader-bios", bareMetal);
    await ship(biosLoader, linkBiosLoader);
    await build("loader-uefi", uefi);
    await ship(uefiLoader, (file) => copyFileSync(built(uefiTarget, "loader-uefi.efi"), file));
  });
  writeStamp(stamp, print);
  for (const file of outputs) {
    console.error(`  ${path.relative(root, file)}: ${Math.ceil(statSync(file).size / 1024)} KiB`);
  }
}

/** The loader's bytes as they lie on the disk, from its library, at the addresses that its linker script says. */
async function linkBiosLoader(file) {
  const linked = built(target, "loader-bios.elf");
  const script = path.join(workspace, "loader", "bios", "bios.ld");
  const library = built(target, "libloader_bios.a");
  // Paging without protection is all there is at that point: code and data share a segment.
  await binutils("ld", "--script", script, "--gc-sections", "--no-warn-rwx-segments", "-o", linked, library);
  await binutils("objcopy", "-O", "binary", linked, file);
}

const binutils = (program, ...args) => run(program, args, { quiet: true });

/** Lets `write` write a file and puts it in its place whole. */
async function ship(output, write) {
  mkdirSync(path.dirname(output), { recursive: true });
  const partial = `${output}.${process.pid}`;
  await write(partial);
  renameSync(partial, output);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await main(() => buildKernel());
