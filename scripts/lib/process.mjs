// Running other programs.
import { spawn, spawnSync } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import path from "node:path";
import { VisibleError } from "./terminal.mjs";

/** The path of a program on PATH, or undefined. */
export function which(program, searchPath = process.env.PATH ?? "") {
  for (const folder of searchPath.split(path.delimiter)) {
    const candidate = path.join(folder, program);
    try {
      accessSync(candidate, constants.X_OK);
      if (statSync(candidate).isFile()) return candidate;
    } catch {
      // Not here: the next folder may have it.
    }
  }
  return undefined;
}

/** The standard output of a program, trimmed, or undefined when it cannot be run or fails. */
export function capture(program, args, options = {}) {
  const result = spawnSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"], ...options });
  return result.status === 0 ? result.stdout.trim() : undefined;
}

/** The beginning and the end of a long output: programs say what went wrong in either. */
function excerpt(lines) {
  return lines.length <= 60 ? lines : [...lines.slice(0, 20), "…", ...lines.slice(-40)];
}

/**
 * Runs a program to its end. Its output goes to the terminal, or with `quiet` is kept and shown only when it fails.
 * Rejects with a VisibleError that names the program when it does not exit with 0.
 */
export function run(program, args, { quiet = false, timeoutMs, ...options } = {}) {
  return new Promise((resolve, reject) => {
    const stdio = ["ignore", quiet ? "pipe" : "inherit", quiet ? "pipe" : "inherit"];
    const child = spawn(program, args, { stdio, timeout: timeoutMs, ...options });
    let output = "";
    child.stdout?.on("data", (data) => (output += data));
    child.stderr?.on("data", (data) => (output += data));
    child.on("error", (error) => reject(new VisibleError(`${program} cannot be started: ${error.message}`)));
    child.on("close", (code, signal) => {
      if (code === 0) return resolve(output);
      const shown = excerpt(output.trim().split("\n")).join("\n");
      const how = signal ? `was ended by ${signal}` : `failed with exit status ${code}`;
      reject(new VisibleError(`\`${[program, ...args].join(" ")}\` ${how}${shown ? `:\n${shown}` : "."}`));
    });
  });
}
