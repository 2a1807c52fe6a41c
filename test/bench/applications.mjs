// What is measured: the same files and the same command line for both systems.
import { createRequire } from "node:module";
import path from "node:path";
import { guestContainers, inRoot } from "../../scripts/lib/paths.mjs";
import { http, memcached, noBackend, postgres, redis } from "./probe.mjs";

const require = createRequire(import.meta.url);
const { buildImage, inspectDisk } = require("../../provider/dist/image/index.js");

const container = (title, name, spec) => ({
  title,
  spec: { source: { container: path.join(guestContainers, name) }, ...spec },
});

/** Name → source, and targets as ratios to Linux or in MiB, from the project's goals. */
export const applications = {
  c: { title: "static C server", spec: { source: { binary: "test/guests/build/c-server" } } },
  go: { title: "static Go server", spec: { source: { binary: "test/guests/build/go-server" } } },
  stream: { title: "one TCP stream", spec: { source: { binary: "test/guests/build/stream" } } },
  operations: { title: "what a kernel is asked for", spec: { source: { binary: "test/guests/build/operations" } } },
  ruby: {
    title: "Ruby + Puma + Sinatra",
    spec: { source: { container: "./examples/ruby-container/image" }, env: { RACK_ENV: "production" } },
  },
  nginx: container("nginx", "nginx-bench"),
  redis: { ...container("redis", "redis-bench"), protocol: redis },
  node: container("Node.js", "node-bench"),
  python: container("Python + gunicorn", "python-bench"),
  "python-http": container("Python's http.server", "python-http-bench"),
  rust: { title: "Rust + tokio + hyper", spec: { source: { binary: "test/guests/build/rust-server" } } },
  cpp: { title: "C++ server", spec: { source: { binary: "test/guests/build/cpp-server" } } },
  puma: container("Puma, two workers", "puma"),
  php: container("nginx + PHP-FPM", "php"),
  java: container("OpenJDK's HTTP server", "java"),
  erlang: container("Erlang/OTP", "erlang"),
  memcached: { ...container("memcached", "memcached", { args: ["--port=8080"] }), protocol: memcached },
  // Its servers are not there, of which it tells.
  haproxy: {
    ...container("HAProxy", "haproxy", { env: { SERVER_A: "127.0.0.1:1", SERVER_B: "127.0.0.1:1" } }),
    protocol: noBackend,
  },
  postgres: { ...container("PostgreSQL", "postgres", { args: ["postgres", "-c", "port=8080"] }), protocol: postgres },
};

export const protocolOf = (name) => applications[name].protocol ?? http;

const images = new Map();

/** @returns {Promise<import("../../provider/dist/image/index.js").BuiltImage>} */
export async function imageOf(name) {
  if (!images.has(name)) images.set(name, await buildImage(applications[name].spec, { baseDir: inRoot() }));
  return images.get(name);
}

/** Bytes of an application's own files. */
export async function contentBytes({ disk }) {
  const { files } = await inspectDisk(disk);
  // A file with several names takes its room once, so each name counts for its share.
  return files
    .filter(({ path, type }) => path.startsWith("/rootfs") && type === "file")
    .reduce((sum, { size, links }) => sum + size / links, 0);
}
