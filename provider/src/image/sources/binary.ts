/**
 * One program of the host, with the shared libraries that it needs and the few files that C libraries expect: accounts, host
 * names, an order in which to look names up, folders to write to. The program becomes `/usr/local/bin/NAME`.
 *
 * Certificate authorities are not taken along, because every host has others, and an image must not depend on where it is built. A
 * program that calls HTTPS servers needs a directory or a container source with `ca-certificates` in it.
 */
import { statSync } from "node:fs";
import { basename, resolve } from "node:path";
import { fileVersion, hashHostFile } from "../content.js";
import type { ByteString, Directory, File } from "../tree.js";
import { directory, toByteString } from "../tree.js";
import { createHash } from "node:crypto";
import { treeDigest } from "../tree-digest.js";
import { FIXED_TIME } from "./directory.js";
import { FileIndex } from "./file-index.js";
import { readElf } from "./host-elf.js";
import { findLibraries, type ProgramFile } from "./libraries.js";
import { NO_DEFAULTS, type ResolvedSource, type SourceContext } from "./source.js";

const PROGRAM_FOLDER = "/usr/local/bin";

const CONFIGURATION: Record<string, string> = {
  "/etc/passwd": "root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n",
  "/etc/group": "root:x:0:\nnogroup:x:65534:\n",
  "/etc/hosts": "127.0.0.1\tlocalhost\n::1\tlocalhost\n",
  "/etc/nsswitch.conf":
    "passwd: files\ngroup: files\nhosts: files dns\nnetworks: files\nprotocols: files\nservices: files\n",
};
const FOLDERS: Record<string, number> = { "/root": 0o700, "/run": 0o755, "/tmp": 0o1777, "/var/tmp": 0o1777 };

export async function resolveBinary(binary: string, context: SourceContext): Promise<ResolvedSource> {
  const hostPath = resolve(context.baseDir, binary);
  const subject = `The source binary "${binary}"`;
  const elf = readElf(hostPath, { missing: `${subject} does not exist (looked for "${hostPath}").`, subject });
  const program: ProgramFile = { hostPath, imagePath: `${PROGRAM_FOLDER}/${basename(hostPath)}` };
  const { files, configuredFolders } = findLibraries(program, elf);

  const tree = directory({ mtime: FIXED_TIME });
  for (const [path, text] of Object.entries(CONFIGURATION)) put(tree, path, textFile(text));
  for (const [path, mode] of Object.entries(FOLDERS)) put(tree, path, directory({ mode, mtime: FIXED_TIME }));
  const index = await FileIndex.open(`binary ${hostPath}`, context.cache);
  for (const { hostPath, imagePath } of [...files, program]) put(tree, imagePath, await hostFile(hostPath, index));
  await index.save();

  const env = configuredFolders.length > 0 ? [`LD_LIBRARY_PATH=${configuredFolders.join(":")}`] : [];
  return {
    name: `binary "${binary}"`,
    key: JSON.stringify(["binary", treeDigest(tree), program.imagePath, env]),
    load: async () => ({ tree, defaults: { ...NO_DEFAULTS, entrypoint: [program.imagePath], env } }),
  };
}

const common = { uid: 0, gid: 0, mtime: FIXED_TIME, mtimeNs: 0, layer: 0 };

async function hostFile(path: string, index: FileIndex): Promise<File> {
  const stats = statSync(path, { bigint: true });
  const version = fileVersion(stats);
  const key = toByteString(path);
  const sha256 = index.find(key, version) ?? (await hashHostFile(key, version));
  index.set(key, version, sha256);
  return {
    type: "file",
    ...common,
    mode: 0o755,
    size: Number(stats.size),
    sha256,
    content: { hostFile: key, version },
  };
}

function textFile(text: string): File {
  const data = Buffer.from(text);
  const sha256 = createHash("sha256").update(data).digest("hex");
  return { type: "file", ...common, mode: 0o644, size: data.length, sha256, content: { data } };
}

/** Puts an inode into a tree, and makes the directories above it. */
export function put(root: Directory, path: string, inode: File | Directory): void {
  const names: ByteString[] = toByteString(path)
    .split("/")
    .filter((name) => name !== "");
  const last = names.pop() as ByteString;
  let current = root;
  for (const name of names) {
    const next = current.entries.get(name);
    if (next?.type === "directory") {
      current = next;
    } else {
      const made = directory({ mtime: FIXED_TIME });
      current.entries.set(name, made);
      current = made;
    }
  }
  current.entries.set(last, inode);
}
