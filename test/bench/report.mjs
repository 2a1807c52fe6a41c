// The table, and the same as JSON.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

const format = (value, unit) => {
  if (value === undefined) return "–";
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${unit}`.trim();
};

function cells({ title, unit, here, linux, target, failure }) {
  if (failure) return [title, "failed", "", "", describe(target, unit), "no"];
  const ratio = linux === undefined ? undefined : here.value / linux.value;
  return [
    title,
    format(here?.value, unit),
    format(linux?.value, unit),
    format(ratio, "×"),
    describe(target, unit),
    describeOutcome(isMet(target, here, ratio)),
  ];
}

function describe({ ratio, atMost, atLeast, atLeastRatio }, unit) {
  if (ratio) return `≤ ${format(ratio, "×")}`;
  if (atLeastRatio) return `≥ ${format(atLeastRatio, "×")}`;
  if (atLeast) return `≥ ${format(atLeast, unit)}`;
  return `≤ ${format(atMost, unit)}`;
}

function describeOutcome(met) {
  if (met === undefined) return "–";
  return met ? "yes" : "no";
}

/** `undefined` when there is nothing to compare with. */
function isMet({ ratio: most, atMost, atLeast, atLeastRatio }, here, ratio) {
  if (most) return ratio && ratio <= most;
  if (atLeastRatio) return ratio && ratio >= atLeastRatio;
  if (atLeast) return here.value >= atLeast;
  return here.value <= atMost;
}

/** Prints the results and writes them to `folder`; returns the file. */
export function report(results, facts, folder) {
  const table = [["", "here", "Linux", "ratio", "target", "met"], ...results.map(cells)];
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  const line = (row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join("  ");
  console.log(`\n${line(table[0])}\n${widths.map((width) => "─".repeat(width)).join("  ")}`);
  for (const row of table.slice(1)) console.log(line(row));
  console.log(`\n${facts.linux}, ${facts.accelerator}, median of ${facts.rounds}; only ratios of one run count`);

  fs.mkdirSync(folder, { recursive: true });
  const file = path.join(folder, `bench-${new Date().toISOString().replaceAll(":", "-")}.json`);
  const machine = { processor: os.cpus()[0]?.model, cpus: os.cpus().length, system: `${os.type()} ${os.release()}` };
  fs.writeFileSync(file, `${JSON.stringify({ ...facts, machine, results }, undefined, 2)}\n`);
  return file;
}
