import { type Elf, ElfError, isElf, parseElf } from "./elf.js";
import { VisibleError } from "./errors.js";
import { checkLibraries } from "./image-libraries.js";
import { withFile } from "./read-file.js";
import { resolve } from "./resolve.js";
import type { RuntimeConfig, User } from "./runtime-config.js";
import { type Directory, type File, toByteString, toText } from "./tree.js";

/** How many scripts may be each other's interpreter: Linux's own limit. */
const MAX_SCRIPTS = 5;

/** A program of the image, with what the kernel loads to start it. */
export interface Program {
  /** Its path, without symlinks. */
  path: string;
  elf: Elf;
  /** The dynamic loader. */
  interpreter?: { path: string; elf: Elf };
  /** The shared libraries that it loads when it starts. */
  libraries: Elf[];
}

/**
 * Makes sure that the image's command can be started: that it is there, executable, and a program for this machine, its
 * interpreters too, and that the shared libraries are there.
 *
 * @returns the program that is loaded in the end: for a script its interpreter.
 * @throws {VisibleError} naming what is missing, and who wants it.
 */
export function checkCommand(root: Directory, { process }: RuntimeConfig): Program {
  const [name] = process.args;
  if (name === undefined || name === "") {
    throw new VisibleError(
      "The image has no command to run: it has neither an entrypoint nor a command of its own. Give one with `command`.",
    );
  }
  const path = findCommand(root, name, process);
  return checkProgram(root, path, process, `The command "${name}"`, 0);
}

type Runner = RuntimeConfig["process"];

/** Looks for a command as `execvp` would. */
function findCommand(root: Directory, name: string, process: Runner): string {
  if (name.includes("/")) return name.startsWith("/") ? name : `${process.cwd}/${name}`;
  const path = environmentValue(process, "PATH") ?? "";
  let present: string | undefined;
  for (const folder of path.split(":")) {
    const candidate = `${folder.startsWith("/") ? folder : `${process.cwd}/${folder}`}/${name}`;
    const inode = resolve(root, toByteString(candidate))?.inode;
    if (inode?.type !== "file") continue;
    if (isExecutable(inode, process.user)) return candidate;
    present ??= candidate;
  }
  if (present !== undefined) return present;
  throw new VisibleError(`The command "${name}" is not in the image: no folder of its PATH (${path}) has it.`);
}

function checkProgram(root: Directory, path: string, process: Runner, subject: string, depth: number): Program {
  const found = resolve(root, toByteString(path));
  if (!found) throw new VisibleError(`${subject} is not in the image: there is no "${path}".`);
  const real = toText(found.path);
  const file = found.inode;
  if (file.type !== "file") throw new VisibleError(`${subject} cannot be run: "${real}" is a ${file.type}.`);
  if (!isExecutable(file, process.user)) {
    const mode = file.mode.toString(8).padStart(4, "0");
    throw new VisibleError(
      `${subject} cannot be run: "${real}" (mode ${mode}, owner ${file.uid}:${file.gid}) is not executable for user ${process.user.uid}. Run chmod +x on it.`,
    );
  }
  const start = withFile(file, (read) => read(0, 256));
  if (start.toString("latin1", 0, 2) === "#!") return checkScript(root, real, start, process, depth);
  if (!isElf(start))
    throw new VisibleError(
      `${subject} cannot be run: "${real}" is neither an ELF program nor a script that begins with #!.`,
    );
  return checkElf(root, real, file, subject);
}

function checkScript(root: Directory, script: string, start: Buffer, process: Runner, depth: number): Program {
  const line = start.toString("utf8", 2).split("\n", 1)[0]?.trim() ?? "";
  const [interpreter = "", ...rest] = line.split(/[ \t]+/);
  if (depth >= MAX_SCRIPTS)
    throw new VisibleError(
      `The script "${script}" cannot be run: its interpreters are scripts of scripts without end.`,
    );
  const subject = `The interpreter "${interpreter}" of the script "${script}"`;
  const program = checkProgram(root, interpreter, process, subject, depth + 1);
  const [wanted] = rest[0] === "-S" ? rest.slice(1) : rest;
  if (!interpreter.endsWith("/env") || wanted === undefined || /^-|=/.test(wanted)) return program;
  let path: string;
  try {
    path = findCommand(root, wanted, process);
  } catch (error) {
    if (!(error instanceof VisibleError)) throw error;
    throw new VisibleError(
      `The script "${script}" wants "${wanted}", which is not in the image: no folder of its PATH has it.`,
    );
  }
  return checkProgram(root, path, process, `The interpreter "${wanted}" of the script "${script}"`, depth + 1);
}

function checkElf(root: Directory, path: string, file: File, subject: string): Program {
  const elf = parse(file, `${subject} cannot be run: "${path}"`);
  if (elf.interpreter === undefined) return { path, elf, libraries: [] };
  const loader = resolve(root, elf.interpreter);
  if (loader?.inode.type !== "file") {
    throw new VisibleError(
      `${subject} cannot be run: "${path}" wants the dynamic loader "${toText(elf.interpreter)}", which is not in the image.`,
    );
  }
  const loaderPath = toText(loader.path);
  const loaderElf = parse(loader.inode, `The dynamic loader "${loaderPath}" of "${path}"`);
  return {
    path,
    elf,
    interpreter: { path: loaderPath, elf: loaderElf },
    libraries: checkLibraries(root, path, elf),
  };
}

function parse(file: File, subject: string): Elf {
  try {
    return withFile(file, parseElf);
  } catch (error) {
    if (error instanceof ElfError) throw new VisibleError(`${subject} ${error.message}.`);
    throw error;
  }
}

function isExecutable(file: File, user: User): boolean {
  if (user.uid === 0) return (file.mode & 0o111) !== 0;
  if (user.uid === file.uid) return (file.mode & 0o100) !== 0;
  if (user.gid === file.gid || user.additionalGids?.includes(file.gid)) return (file.mode & 0o010) !== 0;
  return (file.mode & 0o001) !== 0;
}

function environmentValue(process: Runner, name: string): string | undefined {
  return process.env?.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1);
}
