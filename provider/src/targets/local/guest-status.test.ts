import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { temporaryDirectory } from "../../image/testing/temporary.js";
import { endingOf, isReachable, silentEnding, StatusReader, type GuestEvent } from "./guest-status.js";

test("an ending is found behind whatever a guest has told before it", async () => {
  const file = join(temporaryDirectory(), "status.jsonl");
  const listening = { event: "listening", protocol: "tcp", address: "0.0.0.0" };
  // Of characters of two bytes, some of which lie across the end of what is read at once.
  const note = "é".repeat(50);
  const lines = Array.from({ length: 40_000 }, (_, i) => JSON.stringify({ ...listening, port: 1 + i, note }));
  writeFileSync(file, `${[...lines, JSON.stringify({ event: "exit", code: 0 })].join("\n")}\n`);
  const reader = new StatusReader(file);
  const events = await reader.read();

  expect(events).toHaveLength(40_001);
  expect(new Set(events.map((event) => ("note" in event ? event.note : note)))).toEqual(new Set([note]));
  expect(endingOf(events)).toMatchObject({ code: 0 });
  appendFileSync(file, `${JSON.stringify({ event: "oom", message: "", code: 137 })}\n`);
  expect(await reader.read()).toMatchObject([{ event: "oom" }]);
});

describe("a guest whose application listens", () => {
  const port = { guest: 53, host: 0, protocol: "udp", hostAddress: "127.0.0.1" } as const;
  const NETWORK: GuestEvent = { event: "network", address: "10.0.2.15/24" };

  test.each([
    ["everywhere", "0.0.0.0", true],
    ["everywhere, by IPv6", "::", true],
    ["on its own address", "10.0.2.15", true],
    ["on its loopback", "127.0.0.1", false],
    ["on another address of its loopback", "127.0.0.53", false],
    ["on its loopback, by IPv6", "::1", false],
  ])("%s can be reached or not", (_where, address, reachable) => {
    const listening = { event: "listening", protocol: "udp", port: 53, address } as const;
    expect(isReachable([NETWORK, listening], port)).toBe(reachable);
    expect(isReachable([NETWORK, { ...listening, port: 54 }], port)).toBe(false);
    expect(isReachable([NETWORK, { ...listening, protocol: "tcp" }], port)).toBe(false);
  });
});

describe("a guest that has told of no ending", () => {
  const ASSERTION =
    "qemu-system-x86_64: ../block/io.c:1963: bdrv_write: Assertion `child->perm & BLK_PERM_WRITE' failed.";

  test.each([
    ["was killed", null, "SIGKILL", "", 137, "QEMU was killed by SIGKILL"],
    ["was killed after a warning", null, "SIGKILL", "warning: slow", 137, "QEMU was killed by SIGKILL"],
    ["had its QEMU give up", null, "SIGABRT", ASSERTION, 137, `QEMU was killed by SIGABRT: ${ASSERTION}`],
    ["had a QEMU that failed", 1, null, "the disk is gone", 255, "QEMU failed with status 1: the disk is gone"],
    ["had a QEMU that failed without a word", 1, null, "", 255, "QEMU failed with status 1"],
    [
      "was ended by somebody",
      0,
      null,
      "qemu-system-x86_64: terminating on signal 15 from pid 7 (bash)",
      143,
      "QEMU was ended by signal 15 from pid 7 (bash)",
    ],
    ["reset itself", 0, null, "", 255, "the guest reset itself without a word"],
    [
      "reset itself after QEMU had complained",
      0,
      null,
      "KVM internal error",
      255,
      "the guest reset itself without a word (QEMU's last words: KVM internal error)",
    ],
  ] as const)("%s", (_, exitCode, signalCode, complaint, code, reason) => {
    expect(silentEnding({ exitCode, signalCode }, complaint)).toEqual({ code, reason });
  });
});
