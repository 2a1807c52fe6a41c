// Compiles the guest programs of the tests and the benchmark (test/guests/) into test/guests/build/.
import { mkdirSync, readdirSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { guestsBuild, inRoot, root } from "./lib/paths.mjs";
import { run } from "./lib/process.mjs";
import { fingerprint, isCurrent, writeStamp } from "./lib/stamp.mjs";
import { main, step } from "./lib/terminal.mjs";
import { go } from "./tools/go.mjs";
import { rust } from "./tools/rust.mjs";

/** The C files in a folder of `test/guests`. */
const filesOf = (folder) => readdirSync(inRoot("test", "guests", folder)).filter((file) => file.endsWith(".c"));

const cFlags = ["-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror"];
const c = (compiler, folder, ...flags) => ({
  sources: [`${folder}/server.c`],
  command: (output) => [compiler, [...cFlags, ...flags, "-o", output, `${folder}/server.c`]],
});

/** A program that has to print the same in a guest as on Linux. It makes calls that compilers warn of, with bad addresses and sizes. */
const conformance = (name) => ({
  sources: [`conformance/${name}.c`, "conformance/show.h"],
  command: (output) => [
    "gcc",
    [
      ...cFlags,
      ...["-Wno-stringop-overflow", "-Wno-stringop-overread", "-Wno-unused-result"],
      ...["-static", "-pthread", "-o", output, `conformance/${name}.c`],
    ],
  ],
});

/** A program that shows in a guest what the kernel does, in one file. */
const shows = (folder, name, ...flags) => ({
  sources: [`${folder}/${name}.c`, "conformance/show.h"],
  command: (output) => [
    "gcc",
    [...cFlags, "-Wno-unused-result", "-pthread", "-o", output, `${folder}/${name}.c`, ...flags],
  ],
});

/** Its crates come from crates.io; Cargo puts the program where nothing else is. */
const rustServer = {
  sources: ["rust-server"],
  command: async (output) => {
    const { cargo, env } = await rust();
    const folder = path.join(guestsBuild, ".rust-server");
    const options = ["--release", "--locked", "--manifest-path", "rust-server/Cargo.toml", "--target-dir", folder];
    await run(cargo, ["build", ...options], { cwd: inRoot("test", "guests"), quiet: true, env });
    return ["cp", [path.join(folder, "release", "rust-server"), output]];
  },
};

/** The fuzzer. Its threads have no thread-local storage, where a stack protector would look for its mark. */
const fuzzer = {
  sources: ["fuzz"],
  command: (output) => [
    "gcc",
    [
      ...cFlags,
      ...["-Wno-missing-field-initializers", "-fno-stack-protector", "-static", "-pthread", "-o", output],
      ...filesOf("fuzz").map((file) => `fuzz/${file}`),
    ],
  ],
};

/** Name of the binary → how it is made. */
const guests = {
  "c-server": c("gcc", "c-server", "-static"),
  "c-threads": c("gcc", "c-threads", "-pthread"),
  stream: c("gcc", "stream", "-static"),
  pieces: c("gcc", "pieces", "-static", "-Wno-unused-result"),
  "disk-reader": c("gcc", "disk-reader", "-static"),
  "show-instance": c("gcc", "show-instance", "-static"),
  "musl-server": c("musl-gcc", "musl-server"),
  "musl-server-static": c("musl-gcc", "musl-server", "-static"),
  "go-server": {
    sources: ["go-server"],
    command: async (output) => [
      await go(),
      ["build", "-C", "go-server", "-trimpath", "-ldflags=-s -w", "-o", output, "."],
    ],
    env: { CGO_ENABLED: "0", GOFLAGS: "" },
  },
  "rust-server": rustServer,
  "cpp-server": {
    sources: ["cpp-server/server.cpp"],
    command: (output) => [
      "g++",
      ["-std=c++20", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-o", output, "cpp-server/server.cpp"],
    ],
  },
  sqlite: shows("sqlite", "sqlite", "-lsqlite3"),
  names: shows("names", "names", "-lresolv"),
  echo: shows("echo", "echo", "-static"),
  ipv6: shows("ipv6", "ipv6", "-static"),
  listeners: shows("listeners", "listeners", "-static"),
  layout: shows("protection", "layout", "-static-pie"),
  protection: shows("protection", "protection", "-static"),
  written: shows("protection", "written", "-static"),
  operations: shows("operations", "operations", "-static"),
  mounts: shows("mounts", "mounts", "-static"),
  settings: shows("settings", "settings", "-static"),
  fuzz: fuzzer,
  input: shows("input", "input", "-static"),
  clock: shows("clock", "clock", "-static"),
  figures: shows("figures", "figures", "-static"),
  card: shows("card", "card", "-static"),
  connections: shows("connections", "connections", "-static"),
  console: shows("console", "console", "-static"),
  stop: shows("stop", "stop", "-static"),
  copier: shows("stop", "copier", "-static"),
  first: shows("stop", "first", "-static"),
  exhaust: shows("memory", "exhaust", "-static"),
  oom: shows("memory", "oom", "-static", "-pthread"),
  pages: shows("memory", "pages", "-static"),
  ...Object.fromEntries(
    filesOf("conformance")
      .map((file) => path.basename(file, ".c"))
      .map((name) => [`conformance-${name}`, conformance(name)]),
  ),
};

/** Builds what is out of date; resolves to the folder of the binaries. */
export async function buildGuests(names = Object.keys(guests)) {
  const folder = inRoot("test", "guests");
  mkdirSync(guestsBuild, { recursive: true });
  for (const name of names) {
    const { sources, command, env } = guests[name];
    const output = path.join(guestsBuild, name);
    const stamp = path.join(guestsBuild, `.${name}.stamp`);
    const print = fingerprint(
      sources.map((source) => path.join(folder, source)),
      [cFlags, command.toString()],
    );
    if (isCurrent(stamp, print, [output])) continue;
    await step(
      `Compile ${path.relative(root, output)}`,
      "a program that the tests and the benchmark boot",
      async () => {
        const [program, args] = await command(output);
        await run(program, args, { cwd: folder, quiet: true, env: { ...process.env, ...env } });
      },
    );
    writeStamp(stamp, print);
  }
  return guestsBuild;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await main(() => buildGuests());
