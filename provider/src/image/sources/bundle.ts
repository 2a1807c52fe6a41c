/**
 * A TypeScript or JavaScript program on a Node.js runtime: esbuild puts the program and the packages that it uses into one file,
 * which is laid over the runtime as `/app/index.mjs` or `/app/index.cjs`.
 */
import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { dirname, extname, join, relative, resolve } from "node:path";
import type * as Esbuild from "esbuild";
import { errorCode, VisibleError } from "../errors.js";
import { resolve as resolveInRoot } from "../resolve.js";
import { type Directory, directory, type File } from "../tree.js";
import { resolveContainer } from "./container/container.js";
import { FIXED_TIME, readDirectory } from "./directory.js";
import { NO_DEFAULTS, type ResolvedSource, type RootFileSystem, type SourceContext } from "./source.js";
import { treeDigest } from "../tree-digest.js";

const APP_FOLDER = "app";
/** The oldest Node.js that the output has to run on. */
const TARGET = "node20";
/** Above every layer of a runtime, and below `config.json`. */
const APP_LAYER = 1e8;
/** In an ES module, packages in CommonJS find no `require` of their own. */
const REQUIRE_FOR_MODULES =
  'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);';

export async function resolveBundle(entry: string, runtime: string, context: SourceContext): Promise<ResolvedSource> {
  const base = await resolveRuntime(runtime, context);
  const { fileName, code } = await bundle(entry, context);
  const path = `/${APP_FOLDER}/${fileName}`;
  return {
    name: `bundle "${entry}"`,
    key: JSON.stringify(["bundle", base.key, fileName, createHash("sha256").update(code).digest("hex")]),
    load: async () => {
      const rootfs = await base.load();
      addProgram(rootfs.tree, fileName, code);
      const node = findNode(rootfs, runtime);
      return {
        tree: rootfs.tree,
        defaults: { ...rootfs.defaults, entrypoint: [node, path], cmd: [], workingDir: `/${APP_FOLDER}` },
      };
    },
  };
}

/** A folder with a root file system in it, or a container. */
async function resolveRuntime(runtime: string, context: SourceContext): Promise<ResolvedSource> {
  const path = resolve(context.baseDir, runtime);
  const isFolder = (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
  const isLayout = isFolder && (await stat(join(path, "index.json")).catch(() => undefined)) !== undefined;
  if (!isFolder || isLayout) return resolveContainer(runtime, context);
  const tree = await readDirectory(runtime, context);
  return {
    name: `directory "${runtime}"`,
    key: JSON.stringify(["directory", treeDigest(tree)]),
    load: async () => ({ tree, defaults: NO_DEFAULTS }),
  };
}

async function bundle(entry: string, context: SourceContext): Promise<{ fileName: string; code: Buffer }> {
  const path = resolve(context.baseDir, entry);
  try {
    if (!(await stat(path)).isFile()) throw new VisibleError(`The entry point "${entry}" is not a file.`);
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
    throw new VisibleError(`The entry point "${entry}" does not exist (looked for "${path}").`);
  }
  context.progress?.({ step: "bundle", message: `bundling ${entry}` });
  const format = await moduleFormat(path);
  // Loaded only here: it starts a process of its own.
  const esbuild = await import("esbuild");
  try {
    const { outputFiles } = await esbuild.build({
      entryPoints: [path],
      absWorkingDir: dirname(path),
      outfile: "index.js",
      bundle: true,
      write: false,
      platform: "node",
      target: TARGET,
      format,
      charset: "utf8",
      legalComments: "none",
      logLevel: "silent",
      ...(format === "esm" ? { banner: { js: REQUIRE_FOR_MODULES } } : {}),
      plugins: [refuseNativeAddons(dirname(path))],
    });
    const [output] = outputFiles;
    if (!output) throw new Error("esbuild made no file.");
    return { fileName: format === "esm" ? "index.mjs" : "index.cjs", code: Buffer.from(output.contents) };
  } catch (error) {
    throw isBuildFailure(error) ? new VisibleError(describeFailure(entry, error)) : error;
  }
}

/** As Node.js decides it: by the file's ending, else by `type` in the nearest `package.json`. TypeScript's `import` becomes either. */
async function moduleFormat(path: string): Promise<"esm" | "cjs"> {
  const extension = extname(path);
  if (extension === ".mts" || extension === ".mjs") return "esm";
  if (extension === ".cts" || extension === ".cjs") return "cjs";
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    try {
      const { type } = JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as { type?: string };
      return type === "module" ? "esm" : "cjs";
    } catch (error) {
      if (errorCode(error) !== "ENOENT")
        throw new VisibleError(`"${join(folder, "package.json")}" cannot be read: ${(error as Error).message}.`);
    }
    if (folder === dirname(folder)) return "cjs";
  }
}

/** Machine code cannot go into a JavaScript file. */
function refuseNativeAddons(folder: string): Esbuild.Plugin {
  return {
    name: "refuse native addons",
    setup: (build) => {
      build.onLoad({ filter: /\.node$/ }, ({ path }) => ({
        errors: [
          {
            text: `the package needs the native addon "${relative(folder, path)}", which cannot be bundled. Use a package without native code, or build a container`,
          },
        ],
      }));
    },
  };
}

function isBuildFailure(error: unknown): error is Esbuild.BuildFailure {
  return error instanceof Error && Array.isArray((error as Partial<Esbuild.BuildFailure>).errors);
}

function describeFailure(entry: string, { errors }: Esbuild.BuildFailure): string {
  const lines = errors.map(({ text, location }) => {
    const place = location ? `${location.file}:${location.line}:${location.column + 1}: ` : "";
    return `  ${place}${text.replace(/\.$/, "")}.`;
  });
  return [`"${entry}" cannot be bundled:`, ...lines].join("\n");
}

function addProgram(tree: Directory, fileName: string, data: Buffer): void {
  const common = { uid: 0, gid: 0, mtime: FIXED_TIME, mtimeNs: 0 };
  const file: File = {
    type: "file",
    ...common,
    mode: 0o644,
    size: data.length,
    content: { data },
    sha256: createHash("sha256").update(data).digest("hex"),
    layer: APP_LAYER,
  };
  const present = resolveInRoot(tree, APP_FOLDER)?.inode;
  const folder = present?.type === "directory" ? present : directory(common);
  if (folder !== present) tree.entries.set(APP_FOLDER, folder);
  folder.entries.set(fileName, file);
}

/** Where runtimes have their `node`. */
const NODE_PATHS = [
  "/usr/local/bin/node",
  "/usr/bin/node",
  "/bin/node",
  "/nodejs/bin/node",
  "/opt/node/bin/node",
  "/node",
];

function findNode({ tree, defaults }: RootFileSystem, runtime: string): string {
  const path = defaults.env.find((entry) => entry.startsWith("PATH="))?.slice("PATH=".length) ?? "";
  const fromPath = path
    .split(":")
    .filter((folder) => folder.startsWith("/"))
    .map((folder) => `${folder}/node`);
  const found = [...fromPath, ...NODE_PATHS].find((path) => resolveInRoot(tree, path)?.inode.type === "file");
  if (found !== undefined) return found;
  throw new VisibleError(
    `The runtime "${runtime}" has no Node.js: there is no "node" in its PATH, nor any of ${NODE_PATHS.join(", ")}.`,
  );
}
