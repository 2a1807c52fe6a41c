/**
 * What the host tells the guest to run: the part of the OCI runtime specification's `config.json` (version 1.2) that
 * this package writes and the kernel reads. The JSON Schema in `schema/` is generated from these declarations.
 *
 * @see https://github.com/opencontainers/runtime-spec/blob/v1.2.0/config.md
 */
export interface RuntimeConfig {
  /** Version of the OCI runtime specification that this document follows. */
  ociVersion: string;
  process: Process;
  root: Root;
  /** The guest's host name. Default: `localhost`. */
  hostname?: string;
  /** File systems to mount over the root file system, in order. */
  mounts?: Mount[];
  /**
   * Facts about the image, by the names of the OCI image specification (`org.opencontainers.image.…`), and what the kernel is told:
   * `org.pulumi.unikernel.allow-exec-written` is `true` when files that are written at run time may be executed or mapped as code,
   * `org.pulumi.unikernel.attach-input` when the console is the application's standard input, which is empty otherwise;
   * `org.opencontainers.image.stopSignal` names the signal by which the application is asked to end, `SIGTERM` unless given.
   */
  annotations?: { [name: string]: string };
}

/** The one application of the guest. */
export interface Process {
  /**
   * The command line. `args[0]` is a path, or a name that is looked for in the `PATH` of `env`.
   * @minItems 1
   */
  args: string[];
  /** The environment, as `NAME=value` strings. */
  env?: string[];
  /** The working directory: an absolute path. */
  cwd: string;
  user: User;
  /** Resource limits. A resource that is not named has the kernel's default. */
  rlimits?: ResourceLimit[];
  /** Whether the console is a terminal, which the standard streams are then. Default: `false`. */
  terminal?: boolean;
  /** The size of that terminal, in characters. */
  consoleSize?: ConsoleSize;
  /** Whether `execve` may not give more privileges (set-user-ID bits, file capabilities). Default: `false`. */
  noNewPrivileges?: boolean;
}

/** Whom the application runs as. */
export interface User {
  /**
   * @minimum 0
   * @maximum 4294967295
   * @asType integer
   */
  uid: number;
  /**
   * @minimum 0
   * @maximum 4294967295
   * @asType integer
   */
  gid: number;
  /** Supplementary groups. */
  additionalGids?: number[];
  /**
   * The file mode creation mask. Default: 0o022.
   * @minimum 0
   * @maximum 511
   * @asType integer
   */
  umask?: number;
}

/** The size of a terminal, in characters. */
export interface ConsoleSize {
  /**
   * From top to bottom.
   * @minimum 0
   * @maximum 65535
   * @asType integer
   */
  height: number;
  /**
   * From left to right.
   * @minimum 0
   * @maximum 65535
   * @asType integer
   */
  width: number;
}

/** One resource limit, as `setrlimit` takes it. */
export interface ResourceLimit {
  /** For example `RLIMIT_NOFILE`. */
  type: string;
  soft: number;
  hard: number;
}

/** The root file system. */
export interface Root {
  /** The folder of the bundle that becomes `/`. */
  path: string;
  /** Whether the application cannot write to it. Default: `false`: what is written lives in memory until the guest ends. */
  readonly?: boolean;
}

/** A file system over a folder of the root file system. */
export interface Mount {
  /** Where: an absolute path. */
  destination: string;
  /** The only type there is, a file system in memory. */
  type: "tmpfs";
  source?: string;
  /**
   * `size=16m` (or `50%` of the memory), `nr_inodes=`, `mode=1777`, `uid=`, `gid=`, `ro`, `exec`, `suid`, `dev` and their
   * opposites. Default: `nosuid`, `nodev`, `noexec`, and half of the memory. The guest does not start with an option that it does not know.
   */
  options?: string[];
}

/**
 * What one instance changes of its image's configuration, handed to the guest at boot: the same shape, every field optional.
 * `process.env` is merged by name over the image's; every other field replaces.
 */
export interface InstanceConfig {
  process?: Partial<Process>;
  hostname?: string;
  mounts?: Mount[];
  /** Files to write before the application starts, in order: an extension of the specification's format. */
  files?: InstanceFile[];
  annotations?: { [name: string]: string };
}

/** A file of one instance. It lives in memory, as all that is written does. */
export interface InstanceFile {
  /** Where: an absolute path. What is there is replaced, and directories that are missing are made. */
  path: string;
  /** What is in it. Default: nothing. */
  content?: string;
  /** How `content` stands for bytes: as itself, or by RFC 4648. Default: `utf-8`. */
  encoding?: "utf-8" | "base64";
  /**
   * The permission bits, as octal digits. Default: `0644`.
   * @pattern ^[0-7]{1,4}$
   */
  permissions?: string;
  /** Whose it is. Default: the application's user. */
  owner?: Owner;
}

/** User and group of a file. */
export interface Owner {
  /**
   * @minimum 0
   * @maximum 4294967295
   * @asType integer
   */
  uid: number;
  /**
   * @minimum 0
   * @maximum 4294967295
   * @asType integer
   */
  gid: number;
}
