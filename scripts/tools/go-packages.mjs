// Taking from a Go module only the packages that a program needs, where the module itself would have all of its services compiled.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

/**
 * Copies packages of a module, and all of the same module that they import. Tests stay behind.
 * @param {string} from The module's folder.
 * @param {string} to The folder to copy them to.
 * @param {string} module The module's path.
 * @param {string[]} packages Their folders in the module.
 * @param {(file: string, text: string) => string | undefined} edit What becomes of a source file; undefined leaves it out.
 */
export function copyPackages(from, to, module, packages, edit) {
  const waiting = [...packages];
  const seen = new Set(waiting);
  const copy = (file) => {
    const content = readFileSync(path.join(from, file));
    if (!file.endsWith(".go")) return writeFileSync(path.join(to, file), content);
    const text = edit(file, content.toString());
    if (text === undefined) return;
    writeFileSync(path.join(to, file), text);
    for (const [, imported] of text.matchAll(/^(?:import|\t).*"([^"\n]+)"$/gm)) {
      const folder = imported.startsWith(`${module}/`) ? imported.slice(module.length + 1) : undefined;
      if (folder === undefined || seen.has(folder)) continue;
      seen.add(folder);
      waiting.push(folder);
    }
  };
  mkdirSync(to, { recursive: true });
  copy("go.mod");
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    mkdirSync(path.join(to, folder), { recursive: true });
    for (const entry of readdirSync(path.join(from, folder), { withFileTypes: true }))
      if (entry.isFile() && !entry.name.endsWith("_test.go")) copy(path.posix.join(folder, entry.name));
  }
}
