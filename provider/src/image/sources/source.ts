import type { Cache } from "../cache.js";
import type { BuildContext } from "../types.js";
import type { Directory } from "../tree.js";

/** What a source says about running itself: the fields of an OCI image's configuration. */
export interface ImageDefaults {
  entrypoint: string[];
  cmd: string[];
  /** `NAME=value`. */
  env: string[];
  user: string;
  workingDir: string;
  exposedPorts: string[];
  annotations: Record<string, string>;
}

export interface RootFileSystem {
  tree: Directory;
  defaults: ImageDefaults;
}

/** A source that has been looked at, but not yet read. */
export interface ResolvedSource {
  /** The source as messages name it. */
  name: string;
  /** Identity of all that the root file system will be made of. */
  key: string;
  load(): Promise<RootFileSystem>;
}

/** What sources work with. */
export interface SourceContext extends BuildContext {
  cache: Cache;
}

export const NO_DEFAULTS: ImageDefaults = {
  entrypoint: [],
  cmd: [],
  env: [],
  user: "",
  workingDir: "",
  exposedPorts: [],
  annotations: {},
};
