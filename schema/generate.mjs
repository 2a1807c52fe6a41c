// Generates the schemas in this folder from the TypeScript declarations of the provider.
//   node schema/generate.mjs           writes them
//   node schema/generate.mjs --check   fails when what is checked in differs
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { createGenerator } from "ts-json-schema-generator";
import { pulumiSchema } from "./pulumi.mjs";

const folder = path.dirname(fileURLToPath(import.meta.url));
const source = path.join(folder, "..", "provider", "src");
const tsconfig = path.join(folder, "..", "tsconfig.json");

/** Generators by the file whose types they know: to compile a file takes a second. */
const generators = new Map();

/** The JSON Schema of an exported type. */
function jsonSchema(file, type) {
  if (!generators.has(file)) {
    const options = { path: path.join(source, file), tsconfig, topRef: false, skipTypeCheck: true, expose: "export" };
    generators.set(file, createGenerator(options));
  }
  return generators.get(file).createSchema(type);
}

/** A JSON Schema document with a title in front. */
function document(title, schema) {
  const { $schema, definitions, ...rest } = schema;
  return { $schema, title, ...rest, ...(definitions && { definitions }) };
}

const { version } = JSON.parse(readFileSync(path.join(folder, "..", "provider", "package.json"), "utf8"));
const runtime = "image/runtime-config.ts";
const files = {
  "config.schema.json": document("What an image's config.json tells the kernel", jsonSchema(runtime, "RuntimeConfig")),
  "instance-config.schema.json": document(
    "What an instance changes of it, handed over by fw_cfg or found in the cloud's metadata service or a cidata volume",
    jsonSchema(runtime, "InstanceConfig"),
  ),
  "status-event.schema.json": document(
    "One line of the guest's status channel",
    jsonSchema("targets/local/guest-status.ts", "GuestEvent"),
  ),
  "unikernel.json": pulumiSchema({
    version,
    resources: {
      Image: {
        description: "An image of one application, built from a container, an executable, a folder or a program.",
        inputs: jsonSchema("resources/image-properties.ts", "ImageInputs"),
        outputs: jsonSchema("resources/image-properties.ts", "ImageOutputs"),
      },
      Instance: {
        description: "A virtual machine on this host that runs an image and nothing else.",
        inputs: jsonSchema("resources/instance-properties.ts", "InstanceInputs"),
        outputs: jsonSchema("resources/instance-properties.ts", "InstanceOutputs"),
      },
      "aws:DiskObject": {
        description: "An object of S3 that holds an image's disk as AWS imports it.",
        inputs: jsonSchema("resources/aws/object-properties.ts", "ObjectInputs"),
        outputs: jsonSchema("resources/aws/object-properties.ts", "ObjectOutputs"),
      },
      "aws:Snapshot": {
        description: "An EBS snapshot that holds an image's disk.",
        inputs: jsonSchema("resources/aws/snapshot-properties.ts", "SnapshotInputs"),
        outputs: jsonSchema("resources/aws/snapshot-properties.ts", "SnapshotOutputs"),
      },
      "gcp:DiskObject": {
        description: "An object of Cloud Storage that holds an image's disk as Compute Engine imports it.",
        inputs: jsonSchema("resources/gcp/object-properties.ts", "ObjectInputs"),
        outputs: jsonSchema("resources/gcp/object-properties.ts", "ObjectOutputs"),
      },
    },
  }),
};

let stale = 0;
for (const [name, content] of Object.entries(files)) {
  const file = path.join(folder, name);
  const text = `${JSON.stringify(content, undefined, 2)}\n`;
  if (!process.argv.includes("--check")) writeFileSync(file, text);
  else if (text !== readIfThere(file)) {
    console.error(`schema/${name} is not what the code says. Run: npm run schema`);
    stale++;
  }
}
process.exitCode = stale > 0 ? 1 : 0;

function readIfThere(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
