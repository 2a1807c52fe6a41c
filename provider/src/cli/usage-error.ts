import { VisibleError } from "../image/index.js";

/** The command line is wrong. */
export class UsageError extends VisibleError {}
