import { dataInUnits, type Format, MIB } from "./format.js";

/** The disk's bytes themselves, with holes where it has zeros. */
export const raw: Format = {
  roundTo: MIB,
  encode: (disk) => dataInUnits(disk, 512, MIB),
};
