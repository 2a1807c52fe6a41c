// The table of what passes, as a document.
import fs from "node:fs";
import prettier from "prettier";
import { differences } from "./outcomes.mjs";

const percent = (part, whole) => `${((100 * part) / whole).toFixed(1)} %`;

function reasonOf(test, exceptions) {
  const beginning = Object.keys(exceptions).find((start) => test.startsWith(start));
  return beginning === undefined ? "not looked at yet" : exceptions[beginning];
}

/** Writes the document anew. */
export async function writeReport(file, suite, results, linux) {
  const modules = Object.entries(results).filter(([, { linux }]) => linux.passed.length > 0);
  const both = ({ linux, here }) => linux.passed.length - differences(linux, here).length;
  const sum = (of) => modules.reduce((total, [, result]) => total + of(result), 0);
  const [whole, part] = [sum(({ linux }) => linux.passed.length), sum(both)];
  const rows = modules.map(([name, result]) => {
    const note = [
      result.here.trouble && `here ${result.here.trouble}`,
      result.linux.trouble && `on Linux ${result.linux.trouble}`,
    ];
    return `| ${name} | ${result.linux.passed.length} | ${both(result)} | ${note.filter(Boolean).join("; ")} |`;
  });
  const missing = modules.flatMap(([, { linux, here }]) => differences(linux, here));
  const text = `# The suites of others

Written by \`npm run suites -- ${suite.container}\`: each module in a guest of ${linux} and in one of this kernel, on the same virtual machine.

## ${suite.title}

${part} of the ${whole} tests that pass on Linux pass here: ${percent(part, whole)}.

| module | pass on Linux | of them here | |
|---|---|---|---|
${rows.join("\n")}

What passes on Linux and not here:

${missing.map((test) => `- \`${test}\`: ${reasonOf(test, suite.exceptions)}`).join("\n")}
`;
  const options = await prettier.resolveConfig(file);
  fs.writeFileSync(file, await prettier.format(text, { ...options, filepath: file }));
}
