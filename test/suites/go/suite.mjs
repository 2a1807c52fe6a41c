// The tests of Go's standard library, compiled with the Go that builds the test guests.
import { suiteContainer } from "../definitions.mjs";

export const title = "Go's standard library";

export const container = "go-suite";

/** Packages that have to do with the operating system. */
export const modules = [
  ...["bufio", "context", "crypto/tls", "internal/poll", "io", "io/fs", "io/ioutil", "log", "log/syslog", "mime"],
  ...["net", "net/http", "net/http/cgi", "net/http/fcgi", "net/http/httptest", "net/http/httputil", "net/http/pprof"],
  ...["net/rpc", "net/smtp", "net/textproto", "os", "os/exec", "os/signal", "os/user", "path/filepath", "runtime"],
  ...["runtime/debug", "runtime/pprof", "sync", "sync/atomic", "syscall", "testing/fstest", "time"],
];

/** Where the container has the sources and the tests. */
const place = "/srv";

/** The container with it: see test/guests/containers. */
export const definitions = suiteContainer(container, {
  packages: ["ca-certificates", "coreutils", "dash", "media-types", "netbase", "tzdata"],
  build: [new URL("compile.mjs", import.meta.url), place, ...modules],
  env: [`GOROOT=${place}`],
});

/** Seconds that a module may take in a guest. */
export const limit = 900;

/** The arguments of a container that runs a module. */
export const args = (module) => [module, `${limit}s`];

/** What a line of `go test -v` says. A test's own output may stand before it. */
export function read(line, module) {
  const [, outcome, name] = /--- (PASS|FAIL): (\S+) \(/.exec(line) ?? [];
  if (outcome) return [outcome === "PASS" ? "passed" : "failed", `${module}.${name}`];
  if (line.startsWith("panic: ") || line.startsWith("fatal error: ")) return ["trouble", line];
  if (line === "PASS" || line === "FAIL") return ["end"];
}

/** Why tests that pass on Linux do not here: the beginning of their names → the reason. */
export const exceptions = {
  "syscall.TestExecPtrace": "No process can trace another.",
  "syscall.TestCloneNEWUSER": "There are no namespaces.",
  "net.TestMultiPathTCP": "There is no Multipath TCP.",
};
