// Compiles the tests of the crate nix, as crates.io has it, into the working directory.
//
//   compile.mjs VERSION
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { run } from "../../../scripts/lib/process.mjs";
import { main } from "../../../scripts/lib/terminal.mjs";
import { rust } from "../../../scripts/tools/rust.mjs";

await main(async () => {
  const [version] = process.argv.slice(2);
  const { cargo, env } = await rust();
  const folder = mkdtempSync(path.join(os.tmpdir(), "unikernel-nix-"));
  const quietly = (args, cwd) =>
    run(cargo, [...args, "--quiet"], {
      cwd,
      env: { ...env, CARGO_PROFILE_DEV_DEBUG: "false", CARGO_PROFILE_DEV_STRIP: "symbols" },
      quiet: true,
    });
  try {
    // Cargo downloads what a crate depends on.
    const user = path.join(folder, "user");
    mkdirSync(path.join(user, "src"), { recursive: true });
    writeFileSync(path.join(user, "src/lib.rs"), "");
    const lines = ["[package]", 'name = "user"', 'edition = "2024"', "[dependencies]", `nix = "=${version}"`];
    writeFileSync(path.join(user, "Cargo.toml"), lines.join("\n"));
    const { packages } = JSON.parse(await quietly(["metadata", "--format-version=1"], user));
    const { manifest_path: manifest } = packages.find(({ name }) => name === "nix");
    const source = path.join(folder, "nix");
    cpSync(path.dirname(manifest), source, { recursive: true });
    const said = await quietly(["test", "--no-run", "--tests", "--all-features", "--message-format=json"], source);
    for (const line of said.split("\n").filter((line) => line.startsWith("{"))) {
      const { target, executable } = JSON.parse(line);
      if (executable && target.kind.includes("test")) copyFileSync(executable, target.name);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
