import { randomUUID } from "node:crypto";
import { defaultCacheDir, openImage, VisibleError, type Digest } from "../image/index.js";
import {
  defaultStateDir,
  isOfAnother,
  NotReadyError,
  observeInstance,
  portableConsolePath,
  removeInstance,
  requireMemory,
  startInstance,
  type InstanceSpec,
  type Observation,
} from "../targets/local/index.js";
import { cachedImage } from "./cached-image.js";
import type { Incarnation } from "./incarnation.js";
import { checkInstance, normalizePort } from "./instance-checks.js";
import { instanceConfig } from "./instance-config.js";
import { automaticName, ownerOf } from "./instance-name.js";
import type { InstanceInputs, InstanceOutputs, InstancePort, PortMapping } from "./instance-properties.js";
import { PartialFailure, type CheckFailure, type Context, type ResourceDefinition } from "./resource.js";
import { parseDuration, parseSize } from "./units.js";
import { validateInputs } from "./validate.js";
import { hasUnknown, sameData, UNKNOWN } from "./values.js";

export const INSTANCE_TOKEN = "unikernel:index:Instance";

/** The checked inputs: everything that has a default has a value. */
export type CheckedInstance = Omit<InstanceInputs, "ports"> &
  Required<Pick<InstanceInputs, "name" | "memory" | "cpus" | "machine">> & { ports: InstancePort[] };

/** What Pulumi keeps of an instance. */
export type InstanceState = CheckedInstance & InstanceOutputs & Incarnation;

const DEFAULT_MEMORY = "128 MiB";
const DEFAULT_START_TIMEOUT = "60 s";
const DEFAULT_STOP_TIMEOUT = "10 s";

/**
 * A running guest. All that makes it what it is takes effect at boot, and it keeps no state of its own: a change starts it anew, under the
 * same name and, where it can, with the same ports. Only another image or another name make it another instance. The old one of those goes
 * first, because the new one has its ports; when the engine makes another of its own accord, the new one takes its place.
 */
export const instanceResource: ResourceDefinition<CheckedInstance, InstanceState> = {
  token: INSTANCE_TOKEN,

  async check(old, news, context) {
    const failures = validateInputs(INSTANCE_TOKEN, news);
    if (failures.length === 0) failures.push(...checkInstance(news));
    if (failures.length > 0) return { inputs: news, failures };
    const ports = Array.isArray(news["ports"])
      ? news["ports"].map((port) => completePort(port))
      : (news["ports"] ?? []);
    const name = news["name"] ?? old.name ?? (context.identity && automaticName(context.identity, context.baseDir));
    const inputs = { memory: DEFAULT_MEMORY, cpus: 1, machine: "q35", ...news, name, ports };
    failures.push(...checkRoom(inputs), ...(await checkMemoryOfImage(inputs.memory, news["image"])));
    return { inputs, failures };
  },

  async diff(id, old, news) {
    const changed = changedAtBoot(old, news);
    const replaces = changed.filter((key) => key === "name" || key === "image");
    const observation = await observe(id, old);
    const changes = changed.length > 0 || !isWell(observation, old.ports) || !sameData(old.timeouts, news.timeouts);
    return { changes, replaces, deleteBeforeReplace: replaces.length > 0 };
  },

  async create(inputs, context) {
    return { id: inputs.name, state: await start(inputs, randomUUID(), context) };
  },

  async read(id, state) {
    const observation = await observe(id, state);
    return observation.state === "missing" ? undefined : withObservation(state, observation);
  },

  async update(id, old, news, context) {
    const observation = await observe(id, old);
    if (
      changedAtBoot(old, news).length === 0 &&
      isWell(observation, old.ports) &&
      (observation.state === "exited" || observation.ready)
    ) {
      return withObservation({ ...old, ...news, ports: old.ports }, observation);
    }
    context.status(observation.state === "missing" ? "not on this machine: starting it" : "starting it anew");
    return start(news, old.incarnation, context);
  },

  async delete(id, state, context) {
    context.status(`stopping ${id}`);
    await removeInstance(id, {
      stateDir: defaultStateDir(),
      incarnation: state.incarnation,
      stopTimeoutMs: timeoutMs(state.timeouts?.stop, DEFAULT_STOP_TIMEOUT),
      signal: context.signal,
    });
  },
};

function completePort(port: unknown): unknown {
  return typeof port === "symbol" ? port : normalizePort(port as PortMapping | number);
}

/** The kernel takes no larger item from QEMU. */
const MOST_CONFIGURATION = 2 ** 20;

function checkRoom(inputs: Record<string, unknown>): CheckFailure[] {
  if (hasUnknown(inputs)) return [];
  const length = Buffer.byteLength(JSON.stringify(instanceConfig(inputs)));
  if (length <= MOST_CONFIGURATION) return [];
  return [
    {
      property: "files",
      reason: `What the guest is given has ${length} bytes, and there is room for ${MOST_CONFIGURATION}. Put large files into the image.`,
    },
  ];
}

/** Sees before anything is stopped that an image which is on this machine already gets the memory that it needs. */
async function checkMemoryOfImage(memory: unknown, digest: unknown): Promise<CheckFailure[]> {
  if (typeof digest !== "string" || (typeof memory !== "string" && typeof memory !== "number")) return [];
  const image = await openImage(digest as Digest, {});
  try {
    if (image !== undefined) requireMemory({ memory: parseSize(memory) ?? 0, image });
    return [];
  } catch (error) {
    if (!(error instanceof VisibleError)) throw error;
    return [{ property: "memory", reason: error.message }];
  }
}

/** The inputs whose change takes a new start. */
export function changedAtBoot(old: InstanceState, news: CheckedInstance): string[] {
  const changed = (["name", "image", "cpus", "machine", "hostname", "env", "command", "files"] as const).filter(
    (key) => !sameData(old[key] ?? undefined, news[key] ?? undefined),
  );
  return [
    ...changed,
    ...(typeof news.memory === "symbol" || parseSize(old.memory) !== parseSize(news.memory) ? ["memory"] : []),
    ...(samePorts(old.ports, news.ports) ? [] : ["ports"]),
  ];
}

/** Whether the ports that were given fit those wanted; where a wanted one is left open, any is fine. */
function samePorts(old: readonly InstancePort[], wanted: readonly InstancePort[] | typeof UNKNOWN): boolean {
  return (
    wanted !== UNKNOWN &&
    old.length === wanted.length &&
    wanted.every((port, i) => sameData(port.host === 0 ? { ...old[i], host: 0 } : old[i], port))
  );
}

/** Whether the guest is as it should be: it runs, or it is one without ports that has done its work. */
function isWell(
  observation: Observation,
  ports: readonly PortMapping[],
): observation is Extract<Observation, { state: "running" | "exited" }> {
  return observation.state === "running" || (observation.state === "exited" && ports.length === 0);
}

/** Looks at the instance that this state is of. Another that has its name is not it. */
async function observe(id: string, { incarnation }: InstanceState): Promise<Observation> {
  const observation = await observeInstance(id, defaultStateDir());
  if (observation.state === "missing" || !isOfAnother(observation.record, incarnation)) return observation;
  return { state: "missing" };
}

async function start(
  inputs: CheckedInstance,
  incarnation: string | undefined,
  context: Context,
): Promise<InstanceState> {
  const image = await cachedImage(inputs.image);
  const memory = parseSize(inputs.memory) ?? 0;
  const spec: InstanceSpec = {
    id: inputs.name,
    image,
    memory,
    cpus: inputs.cpus,
    ports: inputs.ports,
    config: instanceConfig(inputs),
    machine: inputs.machine,
  };
  try {
    const { ports, ending } = await startInstance(spec, {
      stateDir: defaultStateDir(),
      cacheDir: defaultCacheDir(),
      ownership: incarnation === undefined ? undefined : { incarnation, owner: ownerIn(context) },
      startTimeoutMs: timeoutMs(inputs.timeouts?.start, DEFAULT_START_TIMEOUT),
      stopTimeoutMs: timeoutMs(inputs.timeouts?.stop, DEFAULT_STOP_TIMEOUT),
      signal: context.signal,
      confirm: context.confirm,
      status: context.status,
    });
    return {
      ...inputs,
      ...outputsOf(inputs.name, ports),
      incarnation,
      state: ending === undefined ? "running" : "exited",
      ...(ending && { exitCode: ending.code, reason: ending.reason }),
    };
  } catch (error) {
    if (!(error instanceof NotReadyError)) throw error;
    const { ports, ending } = error;
    const state =
      ending === undefined ? { state: "running" } : { state: "failed", exitCode: ending.code, reason: ending.reason };
    const kept = { ...inputs, ...outputsOf(inputs.name, ports), incarnation, ...state };
    throw new PartialFailure(inputs.name, kept, error.message);
  }
}

function ownerIn({ identity, baseDir }: Context): string | undefined {
  return identity && ownerOf(identity, baseDir);
}

function outputsOf(id: string, ports: InstancePort[]): Omit<InstanceOutputs, "state"> {
  const [first] = ports;
  const web = ports.find((port) => port.protocol === "tcp");
  return {
    ports,
    ...(first && { address: hostAndPort(first) }),
    ...(web && { url: `http://${hostAndPort(web)}` }),
    consoleLog: portableConsolePath(id),
  };
}

/** Where a port is reached from this machine. */
function hostAndPort(port: InstancePort): string {
  return `${port.hostAddress === "0.0.0.0" ? "127.0.0.1" : port.hostAddress}:${port.host}`;
}

function withObservation(state: InstanceState, observation: Exclude<Observation, { state: "missing" }>): InstanceState {
  const { exitCode: _code, reason: _reason, ...rest } = state;
  if (observation.state === "running") return { ...rest, state: "running" };
  const { exitCode, reason } = observation;
  return { ...rest, state: observation.state, reason, ...(exitCode !== undefined && { exitCode }) };
}

function timeoutMs(given: string | number | undefined, fallback: string): number {
  return parseDuration(given ?? fallback) ?? 0;
}
