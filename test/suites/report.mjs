// The table of what passes, as a document.
import fs from "node:fs";
import prettier from "prettier";
import { inRoot } from "../../scripts/lib/paths.mjs";
import { loadSummaries } from "./results.mjs";

/** Rounded down: a hundred says that none is missing. */
const percent = (part, whole) => `${(Math.floor((1000 * part) / whole) / 10).toFixed(1)} %`;

function reasonOf(test, exceptions) {
  const beginning = Object.keys(exceptions).find((start) => test.startsWith(start));
  return beginning === undefined ? "Not looked at yet." : exceptions[beginning];
}

/** Reasons, and the tests that each is for. Of many tests only the first are named. */
function reasons(tests, exceptions) {
  const named = 10;
  const byReason = new Map();
  for (const test of tests) {
    const reason = reasonOf(test, exceptions);
    byReason.set(reason, [...(byReason.get(reason) ?? []), test]);
  }
  return [...byReason].map(([reason, tests]) => {
    const names = tests.slice(0, named).map((test) => `\`${test}\``);
    const more = tests.length > named ? [`${tests.length - named} more`] : [];
    return `- ${reason} ${[...names, ...more].join(", ")}`;
  });
}

/** Writes a suite's document anew, from what is known of its modules. */
export async function writeReport(name, suite, linux) {
  const results = loadSummaries(name);
  const missing = suite.modules.filter((module) => !(module in results));
  const modules = suite.modules.filter((module) => results[module]?.passOnLinux > 0);
  const both = (module) => results[module].passOnLinux - results[module].missing.length;
  const sum = (of) => modules.reduce((total, module) => total + of(module), 0);
  const [whole, part] = [sum((module) => results[module].passOnLinux), sum(both)];
  const rows = modules.map((module) => {
    const { passOnLinux, day, trouble } = results[module];
    const notes = [trouble?.here && `here ${trouble.here}`, trouble?.linux && `on Linux ${trouble.linux}`];
    return `| ${module} | ${passOnLinux} | ${both(module)} | ${day} | ${notes.filter(Boolean).join("; ")} |`;
  });
  const differ = reasons(
    modules.flatMap((module) => results[module].missing),
    suite.exceptions,
  );
  const text = `# ${suite.title}

Written by \`npm run suites -- ${name}\`: each module in a guest of ${linux} and in one of this kernel, on the same virtual machine.

${part} of the ${whole} tests that pass on Linux pass here: ${percent(part, whole)}.

| module | pass on Linux | of them here | by the kernel of | |
|---|---|---|---|---|
${rows.join("\n")}

${differ.length > 0 ? `What passes on Linux and not here:\n\n${differ.join("\n")}` : ""}

${missing.length > 0 ? `Not run yet: ${missing.join(", ")}.` : ""}
`;
  const file = inRoot("test/suites", name, "RESULTS.md");
  const options = await prettier.resolveConfig(file);
  fs.writeFileSync(file, await prettier.format(text, { ...options, filepath: file }));
}
