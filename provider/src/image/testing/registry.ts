import { spawn } from "node:child_process";
import { createServer, type RequestListener } from "node:http";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { listen } from "./listen.js";
import { temporaryDirectory } from "./temporary.js";

/** `htpasswd -B` of the user "user" with the password "secret". */
const HTPASSWD = "user:$2y$05$DAjQdU7KiVESQQqGqARQA.sJsGk0eAkpYh99hzWZOn/pgfk1ANE5K\n";

/** Starts Debian's `docker-registry` on a free port of the loopback interface. @returns its host and port. */
export async function startRegistry(options: { password?: boolean } = {}): Promise<string> {
  const folder = temporaryDirectory();
  writeFileSync(join(folder, "htpasswd"), HTPASSWD);
  const config = {
    version: "0.1",
    log: { level: "info" },
    storage: { filesystem: { rootdirectory: join(folder, "data") } },
    http: { addr: "127.0.0.1:0" },
    ...(options.password ? { auth: { htpasswd: { realm: "test", path: join(folder, "htpasswd") } } } : {}),
  };
  // JSON is YAML too.
  writeFileSync(join(folder, "config.yml"), JSON.stringify(config));
  const registry = spawn("docker-registry", ["serve", join(folder, "config.yml")], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void registry.kill());
  return new Promise((resolve, reject) => {
    let log = "";
    const read = (chunk: Buffer): void => {
      log += chunk.toString();
      const [, port] = /listening on 127\.0\.0\.1:(\d+)/.exec(log) ?? [];
      if (port !== undefined) resolve(`127.0.0.1:${port}`);
    };
    registry.stdout.on("data", read);
    registry.stderr.on("data", read);
    registry.on("error", reject);
    registry.on("exit", () => reject(new Error(`docker-registry did not start: ${log}`)));
  });
}

/** Starts an HTTP server on a free port of the loopback interface. @returns its host and port. */
export async function startServer(listener: RequestListener): Promise<string> {
  return `127.0.0.1:${await listen(createServer(listener))}`;
}
