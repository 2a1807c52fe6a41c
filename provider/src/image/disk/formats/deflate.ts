import { constants, type ZlibOptions } from "node:zlib";

/**
 * How deflate works here: only runs of one byte are replaced, everything else gets codes by its frequency. Looking for longer repetitions
 * would save another third, but zlib finds different ones on CPUs with and without certain instructions and from version to version of Node.js, and
 * the same image has to give the same bytes on any machine.
 */
export const DEFLATE: ZlibOptions = { level: 1, memLevel: 9, strategy: constants.Z_RLE };
