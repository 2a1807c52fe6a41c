// The tests of the Rust crate nix, which has a safe function for nearly each system call, from crates.io.
import { suiteContainer } from "../definitions.mjs";

const version = "0.32.0";

export const title = `nix ${version}`;

export const container = "nix-suite";

/** Programs. */
export const modules = ["test", "test-aio-drop", "test-clearenv", "test-prctl"];

/** The container with it: see test/guests/containers. */
export const definitions = suiteContainer(container, {
  packages: ["coreutils", "dash", "libc6", "libgcc-s1", "netbase"],
  build: [new URL("compile.mjs", import.meta.url), version],
});

/** Seconds that a module may take in a guest. */
export const limit = 900;

/** The arguments of a container that runs a module. */
export const args = (module) => [module, String(limit)];

/** What a line of Rust's test harness says. A test's children may write between its name and what became of it. */
export function read(line) {
  const [, name] = /^test (\S+)(?: - should panic)? \.\.\. /.exec(line) ?? [];
  const [, outcome] = /(ok|FAILED)$/.exec(line) ?? [];
  if (name && outcome) return [outcome === "ok" ? "passed" : "failed", name];
  if (line.startsWith("test result: ")) return ["end"];
}

export const exceptions = {
  "sys::test_socket::recvfrom::udp_offload": "`UDP_SEGMENT` and `UDP_GRO` are not served.",
  "sys::test_socket::test_recvmm2": "Times of sending are not taken for `SO_TIMESTAMPING`.",
  "sys::test_socket::test_recvmsg_rxq_ovfl":
    "Datagrams that Linux has no place for, as each costs it more memory, find one.",
  "sys::test_socket::test_timestamping": "Times of sending are not taken for `SO_TIMESTAMPING`.",
  "sys::test_socket::test_txtime": "`SO_TXTIME` is not served.",
  "sys::test_sockopt::test_tcp_fast_open_connect": "`TCP_FASTOPEN_CONNECT` is not served.",
};
