// redis' own suite, from Debian's source package, with the server of its binary package.
import { suiteContainer } from "../definitions.mjs";

export const title = "redis 7.0";

export const container = "redis-suite";

/** All of the suite but what tests no more than how a dump is read, what is all slow, and TLS, which is compiled into neither. */
export const modules = [
  ...["auth", "protocol", "keyspace", "scan", "info", "info-command", "type/string", "type/incr", "type/list"],
  ...["type/list-3", "type/set", "type/zset", "type/hash", "type/stream", "type/stream-cgroups"],
  ...["sort", "expire", "other", "multi", "quit", "aofrw", "acl", "acl-v2", "latency-monitor", "pubsub"],
  ...["pubsubshard", "slowlog", "scripting", "functions", "maxmemory", "introspection", "introspection-2", "limits"],
  ...["obuf-limits", "bitops", "bitfield", "geo", "memefficiency", "hyperloglog", "lazyfree", "wait", "pause"],
  ...["pendingquerybuf", "tracking", "oom-score-adj", "shutdown", "networking", "cluster"],
  ...["client-eviction", "violations", "replybufsize", "cluster-scripting", "cluster/misc", "cluster/links"],
]
  .map((name) => `unit/${name}`)
  .concat(
    ["block-repl", "replication", "replication-2", "replication-3", "replication-4", "replication-psync"]
      .concat(
        ...["replication-buffer", "shutdown", "aof", "aof-multi-part", "rdb", "logging", "psync2", "psync2-reg"],
        ...["psync2-pingoff", "psync2-master-restart", "failover", "redis-cli", "redis-benchmark", "dismiss-mem"],
      )
      .map((name) => `integration/${name}`),
  );

/** The container with it: see test/guests/containers. */
export const definitions = suiteContainer(container, {
  packages: ["coreutils", "dash", "grep", "libc-bin", "netbase", "procps", "redis-server", "redis-tools", "sed", "tcl"],
  build: [new URL("unpack.mjs", import.meta.url)],
});

/** Seconds that a module may take in a guest. */
export const limit = 1800;

/** The arguments of a container that runs a module. */
export const args = (module) => [module];

/** Which servers are chosen, and how often they were written to, is random. */
const withoutRandom = (name) => name.replace(/(?<=^PSYNC2: .*)(#|\(x = )\d+/g, "$1…");

/** What a line of the suite says. */
export function read(line, module) {
  const [, outcome, name] = /\[(ok|err|exception)\]: (.*?)(?: \(\d+ ms\)| in tests\/.*)?$/.exec(line) ?? [];
  if (outcome === "ok") return ["passed", `${module}: ${withoutRandom(name)}`];
  if (outcome === "err") return ["failed", `${module}: ${withoutRandom(name)}`];
  if (outcome === "exception") return ["trouble", name];
  if (line.includes("The End")) return ["end"];
}

/** Why tests that pass on Linux do not here: the beginning of their names → the reason. */
export const exceptions = {};
