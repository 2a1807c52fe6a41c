// Puts into the package what a checkout keeps elsewhere: the schemas beside the compiled code, the licence and the README.
import { copyFileSync, cpSync } from "node:fs";
import { fileURLToPath } from "node:url";

const schema = fileURLToPath(new URL("../schema", import.meta.url));
cpSync(schema, fileURLToPath(new URL("dist/schema", import.meta.url)), {
  recursive: true,
  filter: (file) => file === schema || file.endsWith(".json"),
});
for (const name of ["LICENSE", "README.md"])
  copyFileSync(new URL(`../${name}`, import.meta.url), new URL(name, import.meta.url));
