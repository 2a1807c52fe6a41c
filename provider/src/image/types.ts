import type { FileFormat } from "./disk/read/index.js";
import type { RuntimeConfig } from "./runtime-config.js";

/** A SHA-256 digest in the OCI form. */
export type Digest = `sha256:${string}`;

/** A container image for linux/amd64. */
export interface ContainerSource {
  /**
   * One of: the path of an OCI image layout folder (`./image`; `./image:tag` picks one of several), the path of a
   * `docker save` or OCI archive (`./web.tar`, also gzipped), or a registry reference
   * (`ruby:3.1`, `localhost:5000/web@sha256:…`). A text that begins with `/`, `./` or `../`, or that names an existing
   * archive or layout, is a path. Credentials for a registry come from Docker's own configuration.
   */
  container: string;
}

/** One ELF executable. The shared libraries that it needs are found on this machine as its loader would and taken along. */
export interface BinarySource {
  /** Path of the executable. */
  binary: string;
}

/** A folder that becomes the guest's root file system. */
export interface DirectorySource {
  /** Path of the folder. */
  directory: string;
  /** The command line to run in it: a path in the folder, or a name to look for in `PATH`. */
  command: string[];
}

/** A TypeScript or JavaScript program, bundled into one file, on a Node.js runtime. */
export interface BundleSource {
  /** Path of the entry point (`.ts`, `.mts`, `.cts`, `.js`, `.mjs`, `.cjs`). */
  bundle: string;
  /** Where Node.js comes from: a folder that is a root file system with `node` in it, or a container as in {@link ContainerSource}. */
  runtime: string;
}

/** What an image is made of. Paths are relative to {@link BuildContext.baseDir}. */
export type Source = ContainerSource | BinarySource | DirectorySource | BundleSource;

/** All that decides the bytes of an image. */
export interface ImageSpec {
  source: Source;
  /** Environment variables, merged by name over the source's own. */
  env?: Record<string, string> | undefined;
  /** Replaces the source's command and its arguments. */
  command?: string[] | undefined;
  /** Arguments for the command. They replace the container's own (`CMD`). */
  args?: string[] | undefined;
  /** Absolute path of the working directory; made when it is missing. Default: the container's own, else `/`. */
  workingDir?: string | undefined;
  /** Whom to run as: `name`, `uid`, `name:group` or `uid:gid`, looked up in the image's own `/etc/passwd` and `/etc/group`. Default: the container's own, else root. */
  user?: string | undefined;
  /** The guest's host name. Default: `localhost`. */
  hostname?: string | undefined;
  /** Whether the application cannot write to its root file system. Default: `false`. */
  readOnlyRoot?: boolean | undefined;
  /** File systems in memory over folders of the image, mounted in this order. Default: none. */
  tmpfs?: TmpfsMount[] | undefined;
  /** Whether files that are written at run time may be executed, or mapped as code. Default: `false`. */
  allowExecWritten?: boolean | undefined;
}

/** A file system in memory, empty at each start. */
export interface TmpfsMount {
  /** Where: an absolute path. A folder that is missing is made. */
  path: string;
  /** The most bytes that its files may take. Default: half of the guest's memory. */
  size?: number | undefined;
  /** Permission bits of its top folder, in octal. Default: `"1777"`. */
  mode?: string | undefined;
  /** Owner of its top folder. Default: 0. */
  uid?: number | undefined;
  /** Group of its top folder. Default: 0. */
  gid?: number | undefined;
  /** Whether what is written there may be executed. Default: `false`. */
  exec?: boolean | undefined;
}

/** How far a build has come. */
export interface Progress {
  /** A step of the pipeline. */
  step: "resolve" | "pull" | "bundle" | "unpack" | "write";
  /** What is going on, for a person: `pulling ruby:3.1`. */
  message: string;
  /** Bytes done and to do, where that is known. */
  bytes?: { done: number; total: number };
}

/** A kernel to pair images with. */
export interface KernelSource {
  /** Path of the kernel's ELF file. */
  path: string;
  /** The kernel's version. */
  version: string;
  /** Paths of its boot loaders. Without them it can only be started by a hypervisor that loads kernels itself. */
  loaders?: Record<Firmware, string> | undefined;
}

/** What starts the boot loader of a disk. */
export type Firmware = "bios" | "uefi";

/** Where and how to build. */
export interface BuildContext {
  /** The folder that relative paths start from. */
  baseDir: string;
  /** Ends the build early. It then throws the signal's reason and leaves nothing half done. */
  signal?: AbortSignal | undefined;
  /** Told of each step, and now and then within a long one. */
  progress?: ((progress: Progress) => void) | undefined;
  /** Default: `$XDG_CACHE_HOME/unikernel`, else `~/.cache/unikernel`. */
  cacheDir?: string | undefined;
  /** Default: the kernel that comes with this package. */
  kernel?: KernelSource | undefined;
}

/** The kernel of a built image. */
export interface Kernel {
  /** Absolute path of the ELF file, in the cache. */
  path: string;
  digest: Digest;
  version: string;
  /** The boot loaders that bring it from a disk into memory. */
  loaders?: Record<Firmware, Loader> | undefined;
}

/** A boot loader of a built image. */
export interface Loader {
  /** Absolute path, in the cache. */
  path: string;
  digest: Digest;
}

/** A finished image in the cache. */
export interface BuiltImage {
  /** Identity of the image: covers every byte of the disk, of the kernel and of its boot loaders. */
  digest: Digest;
  /**
   * Absolute path of the disk in the cache: an EROFS file system that holds an OCI bundle. Never written to again. Pruning
   * may remove it once it has long not been used, so whoever needs it for longer keeps a hard link or a copy.
   */
  disk: string;
  /** SHA-256 of the disk's bytes. */
  diskDigest: Digest;
  /** Size of the disk in bytes. */
  size: number;
  architecture: "x86_64";
  /** The application's command line. */
  command: string[];
  /** The `config.json` on the disk. */
  config: RuntimeConfig;
  /** Ports that the container says it listens on, such as `8080/tcp`. */
  exposedPorts: string[];
  kernel: Kernel;
  /** Bytes of memory below which this image cannot start (see `memory.ts` for how it is reckoned). */
  minimumMemory: number;
}

/** One file of a disk. */
export interface DiskFile {
  /** Absolute path in the bundle, such as `/rootfs/bin/sh`. */
  path: string;
  type: "file" | "directory" | "symlink" | "character device" | "block device" | "fifo" | "socket";
  /** Length of the content in bytes (of a symlink: of its target). */
  size: number;
  /** Permission bits, with set-user-ID, set-group-ID and sticky. */
  mode: number;
  uid: number;
  gid: number;
  /** Modification time in seconds since 1970. */
  mtime: number;
  /** Number of names of this inode. */
  links: number;
  /** A symlink's target. */
  target?: string;
  /** A device's numbers. */
  device?: { major: number; minor: number };
  /** Extended attributes by full name. */
  xattrs?: Record<string, Uint8Array>;
}

/** What a disk says of itself. */
export interface DiskDescription {
  /** SHA-256 of the file's bytes. */
  digest: Digest;
  /** Size of the file in bytes. */
  size: number;
  format: FileFormat;
  architecture: "x86_64";
  config: RuntimeConfig;
  /** Every file, in path order. */
  files: DiskFile[];
}
