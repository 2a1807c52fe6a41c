/**
 * Finds the shared libraries of a program on this host, as its dynamic loader would: glibc's `ld.so` or musl's.
 *
 * @see https://man7.org/linux/man-pages/man8/ld.so.8.html
 */
import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, posix } from "node:path";
import type { Elf } from "../elf.js";
import { VisibleError } from "../errors.js";
import { readElf, tryReadElf } from "./host-elf.js";

/** An ELF file of the host and where it goes in the image. */
export interface ProgramFile {
  hostPath: string;
  imagePath: string;
}

export interface ProgramFiles {
  /** The dynamic loader and the libraries. */
  files: ProgramFile[];
  /** Folders that the loader searches on this host because `/etc/ld.so.conf` names them; the image's must be told of them. */
  configuredFolders: string[];
}

interface LoadedObject extends ProgramFile {
  elf: Elf;
  /** What wanted it; undefined for the program. */
  wantedBy: LoadedObject | undefined;
}

/** A folder to look in, on the host and as it will be called in the image. */
interface Folder {
  host: string;
  image: string;
  configured?: boolean;
}

const GLIBC_FOLDERS = [
  "/lib/x86_64-linux-gnu",
  "/usr/lib/x86_64-linux-gnu",
  "/lib64",
  "/usr/lib64",
  "/lib",
  "/usr/lib",
];
const MUSL_FOLDERS = ["/lib", "/usr/local/lib", "/usr/lib"];
const MUSL_PATH_FILE = "/etc/ld-musl-x86_64.path";
/** Libraries that are in musl's loader itself. */
const MUSL_OWN = /^lib(c|pthread|rt|m|dl|util|xnet)\./;
/** glibc opens it when a thread is cancelled or an exception crosses it, without naming it as needed. */
const GLIBC_UNWINDER = "libgcc_s.so.1";

/**
 * @param program where the program is and where it goes.
 * @throws {VisibleError} naming the loader or library that is missing, and what wants it.
 */
export function findLibraries(program: ProgramFile, elf: Elf, root = "/"): ProgramFiles {
  if (elf.interpreter === undefined) return { files: [], configuredFolders: [] };
  const interpreter = Buffer.from(elf.interpreter, "latin1").toString();
  const loader: ProgramFile = { hostPath: join(root, interpreter), imagePath: interpreter };
  const isMusl = basename(interpreter).startsWith("ld-musl");
  readElf(loader.hostPath, {
    missing: `The program "${program.hostPath}" wants the dynamic loader "${interpreter}", which is not on this machine. Install the C library that it was built for.`,
    subject: `The dynamic loader "${interpreter}"`,
  });

  const search = new Search(root, isMusl);
  const loaded = new Map<string, LoadedObject>();
  const queue: LoadedObject[] = [{ ...program, elf, wantedBy: undefined }];
  const own = new Set([basename(interpreter)]);
  const configured = new Set<string>();
  for (let object = queue.shift(); object; object = queue.shift()) {
    for (const name of object.elf.needed) {
      if (own.has(name) || loaded.has(name) || (isMusl && MUSL_OWN.test(name))) continue;
      const found = search.find(name, object);
      if (!found) throw missingLibrary(name, object, search);
      if (found.folder?.configured) configured.add(found.folder.image);
      loaded.set(name, found.object);
      queue.push(found.object);
    }
  }
  if (loaded.has("libc.so.6") && !loaded.has(GLIBC_UNWINDER)) {
    const unwinder = search.find(GLIBC_UNWINDER, {
      ...program,
      elf: { ...elf, rpath: [], runpath: [] },
      wantedBy: undefined,
    });
    if (unwinder) loaded.set(GLIBC_UNWINDER, unwinder.object);
  }
  const files = [loader, ...[...loaded.values()].map(({ hostPath, imagePath }) => ({ hostPath, imagePath }))];
  return { files: unique(files), configuredFolders: [...configured].sort() };
}

class Search {
  readonly #root: string;
  readonly #isMusl: boolean;
  readonly #defaults: Folder[];

  constructor(root: string, isMusl: boolean) {
    this.#root = root;
    this.#isMusl = isMusl;
    const folders = isMusl ? (muslPathFile(root) ?? MUSL_FOLDERS) : GLIBC_FOLDERS;
    const configured = isMusl ? [] : ldSoConf(root, "/etc/ld.so.conf").filter((folder) => !folders.includes(folder));
    this.#defaults = [
      ...configured.map((image) => ({ host: join(root, image), image, configured: true })),
      ...folders.map((image) => ({ host: join(root, image), image })),
    ];
  }

  find(name: string, wantedBy: LoadedObject): { object: LoadedObject; folder?: Folder } | undefined {
    if (name.includes("/")) {
      const hostPath = join(this.#root, name);
      const elf = tryReadElf(hostPath);
      return elf && { object: { hostPath, imagePath: name, elf, wantedBy } };
    }
    for (const folder of this.folders(wantedBy)) {
      const hostPath = join(folder.host, name);
      const elf = tryReadElf(hostPath);
      if (elf) return { object: { hostPath, imagePath: posix.join(folder.image, name), elf, wantedBy }, folder };
    }
    return undefined;
  }

  /** Where to look for a library that an object wants, in order. */
  folders(wantedBy: LoadedObject): Folder[] {
    const paths: Folder[] = [];
    if (this.#isMusl || wantedBy.elf.runpath.length === 0) {
      // An object's RPATH also serves what its libraries want; musl treats RUNPATH the same.
      for (let object: LoadedObject | undefined = wantedBy; object; object = object.wantedBy) {
        const { rpath, runpath } = object.elf;
        if (this.#isMusl || runpath.length === 0)
          paths.push(...this.#expand([...rpath, ...(this.#isMusl ? runpath : [])], object));
      }
    }
    if (!this.#isMusl) paths.push(...this.#expand(wantedBy.elf.runpath, wantedBy));
    return wantedBy.elf.noDefaultLibraries ? paths : [...paths, ...this.#defaults];
  }

  #expand(paths: string[], object: LoadedObject): Folder[] {
    return paths
      .filter((path) => path !== "")
      .flatMap((path) =>
        /\$\{?LIB\b/.test(path)
          ? ["lib/x86_64-linux-gnu", "lib64", "lib"].map((lib) => path.replace(/\$(LIB\b|\{LIB\})/g, lib))
          : [path],
      )
      .map((path) => path.replace(/\$(PLATFORM\b|\{PLATFORM\})/g, "x86_64"))
      .map((path) => {
        const origin = /^\$(ORIGIN\b|\{ORIGIN\})/;
        if (!origin.test(path)) return { host: join(this.#root, path), image: posix.join("/", path) };
        return {
          host: join(dirname(object.hostPath), path.replace(origin, ".")),
          image: posix.join(posix.dirname(object.imagePath), path.replace(origin, ".")),
        };
      });
  }
}

/** The folders that `/etc/ld.so.conf` and the files that it includes name. */
function ldSoConf(root: string, path: string, depth = 0): string[] {
  let text: string;
  try {
    text = readFileSync(join(root, path), "utf8");
  } catch {
    return [];
  }
  return text.split("\n").flatMap((line) => {
    const content = line.replace(/#.*/, "").trim();
    const [, pattern] = /^include\s+(.+)$/.exec(content) ?? [];
    if (pattern !== undefined)
      return depth > 5
        ? []
        : glob(root, posix.resolve(posix.dirname(path), pattern)).flatMap((file) => ldSoConf(root, file, depth + 1));
    return content.startsWith("/") ? [content.replace(/\/+$/, "")] : [];
  });
}

/** The files that a pattern with `*` in its last component stands for, in order. */
function glob(root: string, pattern: string): string[] {
  const folder = posix.dirname(pattern);
  const expression = new RegExp(
    `^${posix
      .basename(pattern)
      .replace(/[.+^${}()|[\]\\]/g, "\\$&")
      .replace(/\*/g, ".*")
      .replace(/\?/g, ".")}$`,
  );
  try {
    return readdirSync(join(root, folder))
      .filter((name) => expression.test(name) && !name.startsWith("."))
      .sort()
      .map((name) => posix.join(folder, name));
  } catch {
    return [];
  }
}

function muslPathFile(root: string): string[] | undefined {
  try {
    return readFileSync(join(root, MUSL_PATH_FILE), "utf8")
      .split(/[:\n]/)
      .filter((path) => path.startsWith("/"));
  } catch {
    return undefined;
  }
}

function missingLibrary(name: string, wantedBy: LoadedObject, search: Search): VisibleError {
  const chain = wantedBy.wantedBy ? `The library "${wantedBy.hostPath}"` : `The program "${wantedBy.hostPath}"`;
  const folders = [...new Set(search.folders(wantedBy).map(({ host }) => host))].join(", ");
  return new VisibleError(
    `${chain} needs the library "${name}", which is not on this machine (looked in ${folders}). Install it.`,
  );
}

function unique(files: ProgramFile[]): ProgramFile[] {
  return [...new Map(files.map((file) => [file.imagePath, file])).values()];
}
