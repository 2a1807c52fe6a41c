import { createHash } from "node:crypto";
import { access, constants } from "node:fs/promises";
import * as os from "node:os";
import { Cache, VisibleError, writeSynced } from "../../image/index.js";
import { probeKernel, PROBE_EXIT_STATUS } from "./probe-guest.js";
import type { Qemu } from "./qemu.js";
import { spawnTethered } from "./tether.js";

/** How QEMU runs the guest's instructions: with hardware (`kvm`, `hvf`, `whpx`) or by translation (`tcg`). */
export type Accelerator = "kvm" | "hvf" | "whpx" | "tcg";

/** What was found out by running a guest. */
export interface AcceleratorProbe {
  accelerator: Accelerator;
  /** Whether this QEMU can confine itself with seccomp. */
  sandbox: boolean;
  /** Whether this QEMU starts guests by {@link QBOOT}. */
  qboot: boolean;
  /** Accelerators that were tried in vain, and why. */
  rejected: { accelerator: Accelerator; reason: string }[];
}

const HARDWARE: Partial<Record<NodeJS.Platform, Accelerator[]>> = { linux: ["kvm"], darwin: ["hvf"], win32: ["whpx"] };

/** Options that confine QEMU: no obsolete calls, no gain of privileges, no new processes. */
export const SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny";

/**
 * Firmware that does no more than start a kernel, which it does on q35 and pc: QEMU comes to the kernel's first instruction with half the
 * processor time that its default firmware takes. Not every distribution's QEMU has it.
 */
export const QBOOT = "qboot.rom";

/** What was rejected is tried again after this long: the machine may have been busy. */
const RETRY_AFTER_MS = 24 * 60 * 60 * 1000;

/**
 * The fastest accelerator that works. A device node that opens proves nothing, so a tiny guest is run under each candidate, once;
 * the answer is kept in the cache for this QEMU on this host.
 *
 * @throws {VisibleError} when not even translation runs a guest.
 */
export async function probeAccelerator(qemu: Qemu, cacheDir: string, signal?: AbortSignal): Promise<AcceleratorProbe> {
  const cache = await Cache.open(cacheDir);
  const name = `${await hostKey(qemu)}.json`;
  const known = await recall(cache, name);
  if (known !== undefined) return known;

  const probe = await probeAll(qemu, cache, signal);
  await cache.addJson("accelerators", name, { ...probe, time: Date.now() } satisfies Answer);
  return probe;
}

/** What the cache keeps. */
interface Answer extends AcceleratorProbe {
  /** When it was found out, in milliseconds since 1970. */
  time: number;
}

async function recall(cache: Cache, name: string): Promise<AcceleratorProbe | undefined> {
  try {
    const answer = (await cache.findJson("accelerators", name)) as Answer | undefined;
    // An older version asked less.
    if (answer === undefined || (answer as Partial<Answer>).qboot === undefined) return undefined;
    const { accelerator, sandbox, qboot, rejected, time } = answer;
    if ((rejected.length > 0 || !qboot) && Date.now() - time > RETRY_AFTER_MS) return undefined;
    return { accelerator, sandbox, qboot, rejected };
  } catch {
    // Damaged: found out anew.
    return undefined;
  }
}

/** Differs when QEMU, the host's kernel, its processor or the user's rights differ. */
async function hostKey(qemu: Qemu): Promise<string> {
  const kvm = await access("/dev/kvm", constants.R_OK | constants.W_OK).then(
    () => "KVM can be opened",
    () => "KVM cannot be opened",
  );
  const facts = [qemu.path, qemu.version, os.hostname(), os.release(), os.cpus()[0]?.model ?? "", kvm];
  return createHash("sha256").update(facts.join("\n")).digest("hex").slice(0, 16);
}

async function probeAll(qemu: Qemu, cache: Cache, signal: AbortSignal | undefined): Promise<AcceleratorProbe> {
  const kernel = await storedProbeKernel(cache);
  const attempt = (guest: ProbeGuest, limitMs: number): Promise<ProbeOutcome> =>
    runProbe(qemu, kernel, guest, limitMs, signal);
  let sandbox = true;
  let base = await attempt({ accelerator: "tcg", sandbox }, 30_000);
  if (base.failure !== undefined) {
    sandbox = false;
    base = await attempt({ accelerator: "tcg", sandbox }, 30_000);
  }
  if (base.failure !== undefined) {
    throw new VisibleError(`${qemu.path} (QEMU ${qemu.version}) cannot run a guest here: ${base.failure}.`);
  }
  // A multiple of translation's own time, so that a busy machine rejects nothing that works.
  const limit = Math.min(Math.max(4 * base.elapsedMs, 1000), 10_000);
  let accelerator: Accelerator = "tcg";
  const rejected: AcceleratorProbe["rejected"] = [];
  for (const candidate of HARDWARE[process.platform] ?? []) {
    const { failure } = await attempt({ accelerator: candidate, sandbox }, limit);
    if (failure === undefined) {
      accelerator = candidate;
      break;
    }
    rejected.push({ accelerator: candidate, reason: failure });
  }
  const { failure } = await attempt({ accelerator, sandbox, firmware: QBOOT }, limit);
  return { accelerator, sandbox, qboot: failure === undefined, rejected };
}

/** The path of the probe's kernel, in the cache so that no killed probe leaves it behind. */
async function storedProbeKernel(cache: Cache): Promise<string> {
  const kernel = probeKernel();
  const name = createHash("sha256").update(kernel).digest("hex");
  return (
    (await cache.find("kernels", name)) ??
    (await cache.add("kernels", name, (path) => writeSynced(path, kernel)).then(() => cache.path("kernels", name)))
  );
}

/** What the tiny guest is run with. */
interface ProbeGuest {
  accelerator: Accelerator;
  sandbox: boolean;
  /** Default: QEMU's. */
  firmware?: string;
}

interface ProbeOutcome {
  failure?: string;
  elapsedMs: number;
}

async function runProbe(
  qemu: Qemu,
  kernel: string,
  { accelerator, sandbox, firmware }: ProbeGuest,
  limitMs: number,
  signal: AbortSignal | undefined,
): Promise<ProbeOutcome> {
  signal?.throwIfAborted();
  // The machine with its whole firmware, unless that is asked about: that much work tells a real accelerator from one that emulates itself.
  const options = [
    "-machine",
    "q35",
    "-accel",
    accelerator,
    "-cpu",
    accelerator === "tcg" ? "max" : "host",
    "-m",
    "16",
  ];
  if (firmware !== undefined) options.push("-bios", firmware);
  if (sandbox) options.push("-sandbox", SANDBOX);
  options.push("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-kernel", kernel);
  options.push("-device", "isa-debug-exit,iobase=0x501,iosize=2");

  const started = performance.now();
  return new Promise((resolve, reject) => {
    const { child } = spawnTethered(qemu.path, options, { stdio: ["ignore", "ignore", "pipe"] });
    let complaint = "";
    let late = false;
    child.stderr?.on("data", (chunk: Buffer) => (complaint += chunk.toString()));
    const timer = setTimeout(() => {
      late = true;
      child.kill("SIGKILL");
    }, limitMs);
    const abort = (): void => void child.kill("SIGKILL");
    signal?.addEventListener("abort", abort, { once: true });
    const settle = (failure: string | undefined): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      const elapsedMs = performance.now() - started;
      if (signal?.aborted) reject(signal.reason as Error);
      else resolve(failure === undefined ? { elapsedMs } : { failure, elapsedMs });
    };
    child.on("error", (error) => settle(error.message));
    child.on("close", (code, by) => {
      if (late) settle(`a guest that does nothing had not ended after ${(limitMs / 1000).toFixed(1)} s`);
      else if (code === PROBE_EXIT_STATUS) settle(undefined);
      else settle(complaint.trim().split("\n")[0] || `QEMU ended with ${by ?? `status ${code}`}`);
    });
  });
}
