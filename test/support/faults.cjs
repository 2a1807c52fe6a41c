// Loaded into a process by `node --require`. Counts what the process does to the world beyond itself: every call that makes or changes
// a file, starts a program, or sends a signal. Each kind of call is a point at which the process can be made to fail.
//
// The plan is a JSON object in the environment variable FAULTS; `globalThis.planFaults` sets another one.
//   record: path of the file that the points are appended to, one a line
//   at:     the point to fail at, when it is reached for the first time
//   how:    a signal that the process sends itself ("SIGKILL"), the code of an error that the call fails with ("ENOSPC"), "pause", or
//           "stall": the call never ends, as one of a disk that does not answer
//   paused: path of the file that is there while the process pauses, and goes on when somebody removes it, or since the call stalls
"use strict";
const childProcess = require("node:child_process");
const fs = require("node:fs");
const promises = require("node:fs/promises");

let plan = JSON.parse(process.env.FAULTS ?? "{}");
let seen = new Map();
let lastOpened = "";
globalThis.planFaults = (next) => {
  plan = next;
  seen = new Map();
};
const append = fs.appendFileSync.bind(fs);
const kill = process.kill.bind(process);

/** Names of things without what differs from run to run. */
const general = (text) =>
  String(text)
    .replace(/\/v1\/[a-z]+$/, "/v1/*")
    .replace(/\/v1\/tmp\/[^/ ]+/g, "/v1/tmp/*")
    .replace(/\.\d+\.[a-z0-9]+/g, ".*")
    .replace(/(unikernel-[a-z]+-)[\w-]+/g, "$1*")
    .replace(/[0-9a-f]{8,}|\d{2,}/g, "#");
const isWrite = (flags) => flags !== undefined && flags !== "r" && flags !== 0;

/** Told of each call, before it is made. What it returns, if anything, is there in place of the call. */
const point = (name, subject = "") => {
  const kind = `${name} ${general(subject)}`.trim();
  const times = (seen.get(kind) ?? 0) + 1;
  seen.set(kind, times);
  // A file is often removed twice: to be on the safe side, and when it has served.
  if (times > (name === "rm" ? 2 : 1)) return undefined;
  const signature = times === 1 ? kind : `${kind} (again)`;
  if (plan.record !== undefined) append(plan.record, `${signature}\n`);
  if (signature !== plan.at) return undefined;
  if (plan.how === "pause") return pause(plan.paused);
  if (plan.how === "stall") return stall(plan.paused);
  if (!plan.how.startsWith("SIG")) throw Object.assign(new Error(`${plan.how}: as planned`), { code: plan.how });
  kill(process.pid, plan.how);
  return undefined;
};

/** Stands still, deaf to signals. */
const pause = (file) => {
  append(file, "");
  while (fs.existsSync(file)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
};

/** A call that never ends, while the process goes on. */
const stall = (file) => {
  append(file, "");
  setInterval(() => undefined, 1000);
  return new Promise(() => undefined);
};

const wrap = (target, name, isPoint = () => true, subject = (args) => args[0]) => {
  const original = target[name];
  target[name] = function (...args) {
    const isCallback = target === fs && !name.endsWith("Sync") && !name.startsWith("create");
    try {
      const instead = isPoint(args) ? point(name, subject(args) ?? `to ${lastOpened}`) : undefined;
      if (instead !== undefined) return instead;
      if (name.startsWith("open")) lastOpened = args[0];
    } catch (error) {
      if (target === promises || target === fileHandle) return Promise.reject(error);
      if (!isCallback) throw error;
      process.nextTick(args.at(-1), error);
      return undefined;
    }
    return original.apply(this, args);
  };
};
let fileHandle;
for (const name of ["mkdir", "mkdtemp", "rm", "unlink", "writeFile"]) wrap(promises, name);
for (const name of ["rename", "link", "copyFile"])
  wrap(promises, name, undefined, (args) => `${args[0]} to ${args[1]}`);
// The status channel is first read when the guest has just been started.
wrap(promises, "open", (args) => isWrite(args[1]) || String(args[0]).endsWith("status.jsonl"));
wrap(fs, "open", (args) => isWrite(args[1]));
wrap(fs, "openSync", (args) => isWrite(args[1]));
for (const name of ["write", "writev", "fsync", "writeSync", "fsyncSync"])
  wrap(
    fs,
    name,
    (args) => args[0] > 2,
    () => undefined,
  );
wrap(childProcess, "spawn", undefined, (args) => `${args[0]} … ${args[1]?.at(-1) ?? ""}`);
wrap(
  process,
  "kill",
  (args) => args[1] !== 0,
  (args) => args[1],
);

void promises.open(__filename, "r").then(async (handle) => {
  fileHandle = Object.getPrototypeOf(handle);
  for (const name of ["write", "writeFile", "sync", "truncate"]) wrap(fileHandle, name, undefined, () => undefined);
  await handle.close();
});
