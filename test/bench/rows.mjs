// The rows of the table and the targets they are held to.
import { applications } from "./applications.mjs";
import { bootTime } from "./rows/boot.mjs";
import { buildTimes } from "./rows/build.mjs";
import { handOver } from "./rows/handover.mjs";
import { leastMemory } from "./rows/memory.mjs";
import { previewTime } from "./rows/preview.mjs";
import { bootDiskOverhead, overhead } from "./rows/size.mjs";
import { writeTime } from "./rows/formats.mjs";
import { operationCosts, scaling } from "./rows/operations.mjs";
import { redisRates, requestsPerSecond, streamRates } from "./rows/throughput.mjs";
import { bytesSent, uploadRate } from "./rows/upload.mjs";

/**
 * What is asked for: `ratio` at most so much of Linux's figure, `atLeastRatio` at least, `atMost` and `atLeast` absolute figures.
 * @typedef {{ ratio?: number, atLeastRatio?: number, atMost?: number, atLeast?: number }} Target
 */

const compare = (name, title, unit, target, measure) => ({
  name,
  title,
  unit,
  target,
  async measure(systems, bench) {
    const [here, linux] = await measure(systems, bench);
    return { here, linux };
  },
});

const boot = (application, ratio) =>
  compare(`boot:${application}`, `first answer, ${applications[application].title}`, "s", { ratio }, (systems, bench) =>
    bootTime(application, systems, bench),
  );
const memory = (application, atMost) =>
  compare(
    `memory:${application}`,
    `least memory, ${applications[application].title}`,
    "MiB",
    { atMost },
    (systems, bench) => leastMemory(application, systems, bench),
  );
/** Measures once for all the rows that it has figures for. */
const shared = (measure) => {
  let result;
  return (...parameters) => (result ??= measure(...parameters));
};

/** Rows of which one measurement has all the figures, by their names in it. */
const together = (prefix, names, unit, target, titleOf, measure) => {
  const all = shared(measure);
  return names.map((name) =>
    compare(`${prefix}:${name}`, titleOf(name), unit, target, async (systems, bench) =>
      (await all(systems, bench)).get(name),
    ),
  );
};
const requests = (application, connectionCounts, atLeastRatio, cpus = 1) =>
  together(
    `requests:${application}${cpus > 1 ? `:${cpus}-cpus` : ""}`,
    connectionCounts,
    "/s",
    { atLeastRatio },
    (connections) => `requests, ${applications[application].title}, ${connections} connections, ${cpus} CPU`,
    (systems, bench) => requestsPerSecond(application, connectionCounts, cpus, systems, bench),
  );
const redisLoads = ["get:1", "set:1", "get:16", "set:16"];
const redis = together(
  "redis",
  redisLoads,
  "/s",
  { atLeastRatio: 1.7 },
  (name) => `redis ${name.split(":")[0].toUpperCase()}, pipeline ${name.split(":")[1]}`,
  (systems, bench) =>
    redisRates(
      redisLoads.map((name) => name.split(":")).map(([command, pipeline]) => [command, Number(pipeline)]),
      systems,
      bench,
    ),
);
const stream = together(
  "stream",
  ["out", "in"],
  "MB/s",
  { atLeastRatio: 1.5 },
  (direction) => `one TCP stream ${direction}`,
  streamRates,
);
const size = (application) => [
  compare(
    `size:${application}`,
    `beyond the files, ${applications[application].title}`,
    "MiB",
    { atMost: 1.5 },
    (systems) => overhead(application, systems),
  ),
  {
    name: `size:${application}:disk`,
    title: "the same, on a disk that boots by itself",
    unit: "MiB",
    target: { atMost: 1.5 },
    measure: async (_systems, { folder }) => ({ here: await bootDiskOverhead(application, folder) }),
  },
];
/** Those of the first line have a target. */
const operationNames = [
  ...["getpid", "futex wake-up", "pipe round trip", "page fault", "fork + exit", "thread create"],
  ...["stat", "open + close", "HTTP response", "mixed calls"],
];
const costs = shared((systems, bench) => operationCosts(systems, bench));
const operation = (name) =>
  compare(
    `operations:${name.replaceAll(/\W+/g, "-")}`,
    `instructions, ${name}`,
    "",
    { ratio: 0.5 },
    async (systems, bench) => (await costs(systems, bench)).map((system) => ({ value: system.get(name) })),
  );
const fourCpus = {
  name: "scaling:4-cpus",
  title: "instructions, mixed calls, 4 CPUs against 1",
  unit: "×",
  target: { atMost: 1.1 },
  measure: async ([here], bench) => ({ here: { value: await scaling(here, 4, bench) } }),
};
const buildTime = shared((rounds) => buildTimes(rounds));
const build = (which, title, atMost) => ({
  name: `build:${which}`,
  title,
  unit: "s",
  target: { atMost },
  measure: async (_systems, { rounds }) => ({ here: buildTime(rounds)[which] }),
});
const preview = {
  name: "build:preview",
  title: "unchanged preview of it, beyond the engine's own time",
  unit: "s",
  target: { atMost: 0.1 },
  measure: async (_systems, { folder, rounds }) => ({ here: await previewTime(folder, 2 * rounds) }),
};

const sent = shared((folder) => bytesSent(folder));
const upload = (which, title, unit, atMost) => ({
  name: `upload:${which}`,
  title,
  unit,
  target: { atMost },
  measure: async (_systems, { folder }) => ({ here: (await sent(folder))[which] }),
});
const uploadSpeed = {
  name: "upload:rate",
  title: "upload to a service on this machine",
  unit: "MB/s",
  target: {},
  async measure(_systems, { folder, rounds }) {
    const { upload, target, hashes } = await uploadRate(folder, rounds);
    return { here: upload, target: { atLeast: target }, hashes };
  },
};
const disk = (format, atMost) => ({
  name: `disk:${format}`,
  title: `disk of the Ruby container as ${format}`,
  unit: "s",
  target: { atMost },
  measure: async (_systems, { folder, rounds }) => ({ here: await writeTime(format, folder, rounds) }),
});

const handedOver = (firmware, title) =>
  compare(
    `handover:${firmware}`,
    `${title} to the application, static C server`,
    "M instr.",
    { ratio: 1 / 20 },
    (systems, bench) => handOver(firmware, systems, bench),
  );

export const rows = [
  boot("c", 1 / 15),
  boot("go", 1 / 15),
  boot("ruby", 0.35),
  ...["nginx", "redis", "node", "python", "rust", "cpp", "puma", "php", "java", "erlang", "memcached"]
    .concat("haproxy", "postgres")
    .map((application) => boot(application, 1 / 2)),
  memory("c", 8),
  memory("go", 16),
  memory("ruby", 48),
  memory("nginx", 8),
  memory("redis", 10),
  memory("node", 64),
  memory("python", 24),
  memory("python-http", 24),
  ...requests("go", [16, 64], 1.5),
  ...requests("ruby", [16, 64], 1.5),
  ...requests("nginx", [64], 2.5),
  ...requests("nginx", [64], 2.5, 2),
  ...requests("node", [16, 64], 1.5),
  ...requests("python", [16, 64], 1.5),
  ...redis,
  ...stream,
  ...size("c"),
  ...size("ruby"),
  ...operationNames.map(operation),
  fourCpus,
  build("cold", "image of the Ruby container, nothing cached", 2),
  build("warm", "the same, unchanged", 0.1),
  preview,
  upload("first", "sent to AWS the first time beyond the files, Ruby", "MiB", 2),
  upload("change", "sent to AWS after a change of a line, Ruby", "blocks", 3),
  uploadSpeed,
  disk("raw", 1),
  disk("gce-tar", 3),
  disk("vmdk", 1.5),
  handedOver("bios", "from BIOS's hand-over"),
  handedOver("uefi", "from UEFI's hand-over"),
];
