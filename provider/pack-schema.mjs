// Puts the schemas into the package, beside the compiled code. A checkout has them in a folder of their own.
import { cpSync } from "node:fs";
import { fileURLToPath } from "node:url";

const schema = fileURLToPath(new URL("../schema", import.meta.url));
cpSync(schema, fileURLToPath(new URL("dist/schema", import.meta.url)), {
  recursive: true,
  filter: (file) => file === schema || file.endsWith(".json"),
});
