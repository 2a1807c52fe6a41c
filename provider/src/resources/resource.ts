import { VisibleError } from "../image/index.js";

/** What an operation may use beside its values. */
export interface Context {
  /** Fires when the operation is to end early. */
  signal: AbortSignal;
  /** Rejects when nobody waits for the operation's result any more, which {@link signal} may tell a moment later. */
  confirm: () => Promise<void>;
  /** Tells the person at the terminal what is going on, until the next line takes its place. */
  status: (message: string) => void;
  /** Tells them something that stays. */
  notice: (message: string, severity: "info" | "warning") => void;
  /** Whether this is a preview: nothing but the cache may be touched. */
  preview: boolean;
  /** The project's folder. Relative paths in inputs start here. */
  baseDir: string;
  /** Which resource it is. Not known in `read` and `delete`, for which no program runs. */
  identity?: Identity | undefined;
  /** Its URN; in `read` and `delete` the one that it had when it was last created or updated. A state of an older version has none. */
  urn?: string | undefined;
  /** A value of the stack's configuration, such as `aws:profile`; a secret one in the clear. */
  config: (key: string) => string | undefined;
  /** What the program hands over and the state may not hold, such as keys of a cloud. Not known in `read` and `delete`, for which no program runs. */
  credentials?: unknown;
}

/** What tells one resource from all others. */
export interface Identity {
  organization: string;
  project: string;
  stack: string;
  /** The name that the program gave the resource. */
  name: string;
  /** The type of the parent, after those of its own parents, when it is not the stack: `shop:index:Backend`. */
  parentType?: string | undefined;
}

/** Something wrong with one input. */
export interface CheckFailure {
  /** Where: `ports[0].guest`. Empty when no single input is at fault. */
  property: string;
  /** A sentence. */
  reason: string;
}

/** What `check` found. The inputs may be unknown in parts when there are failures or this is a preview. */
export interface CheckResult {
  inputs: Record<string, unknown>;
  failures: CheckFailure[];
}

/** What has to happen to get from the old state to the new inputs. */
export interface DiffResult {
  changes: boolean;
  /** The inputs whose change needs a new resource. Empty: the resource is updated in place. */
  replaces: string[];
  /** Whether the old resource must go before the new one comes. */
  deleteBeforeReplace: boolean;
}

/**
 * A kind of resource, defined once for every way to reach it. Values are plain data; nothing here knows a wire format.
 * `State` is what Pulumi keeps: the checked inputs and the outputs.
 */
export interface ResourceDefinition<Inputs extends object, State extends Inputs> {
  /** For example `unikernel:index:Image`. */
  readonly token: string;
  /** Validates and completes what a program wrote. Runs in preview too. */
  check(old: Partial<State>, news: Record<string, unknown>, context: Context): Promise<CheckResult>;
  diff(id: string, old: State, news: Inputs, context: Context): Promise<DiffResult>;
  create(inputs: Inputs, context: Context): Promise<{ id: string; state: State }>;
  /** Undefined when the resource is gone. */
  read(id: string, state: State, context: Context): Promise<State | undefined>;
  update(id: string, old: State, news: Inputs, context: Context): Promise<State>;
  /** A resource that is gone already is fine. */
  delete(id: string, state: State, context: Context): Promise<void>;
}

/** The resource exists, but is not what it should be. Pulumi keeps it and tries to mend it on the next update. */
export class PartialFailure extends VisibleError {
  constructor(
    readonly id: string,
    readonly state: object,
    message: string,
  ) {
    super(message);
  }
}
