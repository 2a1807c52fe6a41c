// Puts the schemas beside the compiled code, where an installed package finds them.
const { cpSync } = require("node:fs");
const path = require("node:path");

const schema = path.join(__dirname, "..", "schema");
cpSync(schema, path.join(__dirname, "dist", "schema"), {
  recursive: true,
  filter: (file) => file === schema || file.endsWith(".json"),
});
