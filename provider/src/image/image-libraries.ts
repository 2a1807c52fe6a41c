/**
 * Makes sure that the shared libraries of a program are in its image. Which folders a loader searches depends on its cache, its
 * environment and how it was built; so as never to refuse an image that works, a library counts as present wherever it is.
 */
import { posix } from "node:path";
import { type Elf, ElfError, parseElf } from "./elf.js";
import { VisibleError } from "./errors.js";
import { withFile } from "./read-file.js";
import { resolve } from "./resolve.js";
import { type ByteString, type Directory, type File, toText, walk } from "./tree.js";

/** Names that musl's loader answers for itself. */
const MUSL_OWN = /^lib(c|pthread|rt|m|dl|util|xnet)\./;

interface Missing {
  library: ByteString;
  wantedBy: string;
}

/**
 * @param path where the program is in the image.
 * @returns the libraries that it loads when it starts.
 * @throws {VisibleError} naming the library that is nowhere in the image, and what wants it.
 */
export function checkLibraries(root: Directory, path: string, program: Elf): Elf[] {
  const { interpreter } = program;
  if (interpreter === undefined) return [];
  const search = new Search(root, posix.basename(interpreter));
  const missing = search.load(program, `"${path}"`);
  if (!missing) return search.loaded;
  throw new VisibleError(
    `The command cannot be run: ${missing.wantedBy} needs the library "${toText(missing.library)}", which is nowhere in the image.`,
  );
}

class Search {
  readonly loaded: Elf[] = [];
  readonly #root: Directory;
  readonly #loader: ByteString;
  readonly #files = new Map<ByteString, ByteString[]>();
  /** Names that have been looked for, with what was found; those still being looked for count as found. */
  readonly #known = new Map<ByteString, Missing | undefined>();

  constructor(root: Directory, loader: ByteString) {
    this.#root = root;
    this.#loader = loader;
    for (const [path, inode] of walk(root)) {
      if (inode.type !== "file" && inode.type !== "symlink") continue;
      const name = posix.basename(path);
      const paths = this.#files.get(name);
      if (paths) paths.push(path);
      else this.#files.set(name, [path]);
    }
  }

  load(elf: Elf, wantedBy: string): Missing | undefined {
    for (const name of elf.needed) {
      if (name === this.#loader || (this.#loader.startsWith("ld-musl") && MUSL_OWN.test(name))) continue;
      const missing = this.#find(name, wantedBy);
      if (missing) return missing;
    }
    return undefined;
  }

  #find(library: ByteString, wantedBy: string): Missing | undefined {
    if (this.#known.has(library)) return this.#known.get(library);
    this.#known.set(library, undefined);
    const paths = library.includes("/") ? [library] : (this.#files.get(library) ?? []);
    let missing: Missing | undefined = { library, wantedBy };
    for (const path of paths) {
      const inode = resolve(this.#root, path)?.inode;
      const elf = inode?.type === "file" ? tryParse(inode) : undefined;
      if (!elf) continue;
      missing = this.load(elf, `the library "${toText(path)}"`);
      if (missing) continue;
      this.loaded.push(elf);
      break;
    }
    this.#known.set(library, missing);
    return missing;
  }
}

function tryParse(file: File): Elf | undefined {
  try {
    return withFile(file, parseElf);
  } catch (error) {
    if (error instanceof ElfError) return undefined;
    throw error;
  }
}
