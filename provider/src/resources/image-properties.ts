import type { Digest, Source } from "../image/index.js";

/** What an image is made of, and how its application is to be started. */
export interface ImageInputs {
  /** What the image is made of. Paths are relative to the project's folder. */
  source: Source;
  /**
   * Environment variables, merged by name over the source's own. They become part of the image, so secrets do not belong here:
   * give those to the instance.
   */
  env?: { [name: string]: string };
  /** Replaces the source's command and its arguments. Like the environment it becomes part of the image, so secrets do not belong here. */
  command?: string[];
  /** Arguments for the command. They replace the container's own (`CMD`), and become part of the image as well. */
  args?: string[];
  /** Absolute path of the working directory; made when it is missing. Default: the container's own, else `/`. */
  workingDir?: string;
  /**
   * Whom to run as: `name`, `uid`, `name:group` or `uid:gid`, looked up in the image's own `/etc/passwd` and `/etc/group`.
   * Default: the container's own, else root.
   */
  user?: string;
  /** The guest's host name. Default: `localhost`. */
  hostname?: string;
  /**
   * Whether the application cannot write to its root file system. What it is to write to can be given to it by `tmpfs`. Default:
   * `false`: what is written lives in memory until the guest ends.
   */
  readOnlyRoot?: boolean;
  /** File systems in memory over folders of the image, mounted in this order. Default: none. */
  tmpfs?: TmpfsMount[];
  /**
   * Whether files that are written at run time may be executed, or mapped as code. Code that a program makes in its own memory, as
   * just-in-time compilers do, needs no permission. Default: `false`.
   */
  allowExecWritten?: boolean;
  /**
   * Whether `pulumi preview` builds the image. If not, a preview cannot tell whether it changes, and shows its outputs as unknown.
   * Default: `true`.
   */
  buildOnPreview?: boolean;
}

/** A file system in memory, empty at each start. */
export interface TmpfsMount {
  /** Where: an absolute path. A folder that is missing is made. */
  path: string;
  /** The most that its files may take: a text with a unit (`"64 MiB"`), or a number of bytes. Default: half of the guest's memory. */
  size?: string | number;
  /** Permission bits of its top folder, in octal. Default: `"1777"`. */
  mode?: string;
  /**
   * Owner of its top folder. Default: 0.
   * @minimum 0
   * @maximum 4294967295
   * @asType integer
   */
  uid?: number;
  /**
   * Group of its top folder. Default: 0.
   * @minimum 0
   * @maximum 4294967295
   * @asType integer
   */
  gid?: number;
  /** Whether what is written there may be executed. Default: `false`. */
  exec?: boolean;
}

/** What a built image is. */
export interface ImageOutputs {
  /** Identity of the image: covers every byte of its disk and of its kernel. */
  digest: Digest;
  /** Size of the disk in bytes. */
  size: number;
  /** The processor that the image runs on: `x86_64`. */
  architecture: string;
  /** The application's command line. */
  commandLine: string[];
  /** Version of the kernel that the image is started with. */
  kernelVersion: string;
  /** Ports that the container says it listens on, such as `8080/tcp`. */
  exposedPorts: string[];
}
