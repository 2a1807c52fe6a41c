const BYTES: Record<string, number> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  tib: 1024 ** 4,
};

const MILLISECONDS: Record<string, number> = { ms: 1, s: 1000, sec: 1000, m: 60_000, min: 60_000, h: 3_600_000 };

/**
 * A size in bytes, from a number of bytes or a text with a unit: `"128 MiB"` (powers of 1024) or `"128 MB"` (powers of 1000).
 * Undefined when it is neither.
 */
export function parseSize(size: string | number): number | undefined {
  return parse(size, BYTES, 1);
}

/** A time in milliseconds, from a number of seconds or a text with a unit: `"500 ms"`, `"90 s"`, `"2 min"`. */
export function parseDuration(duration: string | number): number | undefined {
  return parse(duration, MILLISECONDS, 1000);
}

function parse(text: string | number, units: Record<string, number>, plain: number): number | undefined {
  if (typeof text === "number") return Number.isFinite(text) && text >= 0 ? Math.round(text * plain) : undefined;
  const [, amount, unit] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*$/i.exec(text) ?? [];
  const factor = units[unit?.toLowerCase() ?? ""];
  return amount === undefined || factor === undefined ? undefined : Math.round(Number(amount) * factor);
}
