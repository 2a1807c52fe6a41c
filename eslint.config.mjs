import js from "@eslint/js";
import { defineConfig, globalIgnores } from "eslint/config";
import globals from "globals";
import tseslint from "typescript-eslint";

/**
 * The provider's layers, outermost first: a layer imports those below it, never one above it. `aws` holds the component
 * resources of a cloud; nothing else imports it or its Pulumi package, so that whoever stays at home installs neither.
 */
const layers = ["aws", "hosts", "resources", "targets", "image"];

/** An import of a sibling layer of provider/src, from any depth inside a layer. */
const layerImport = (layer) => `^(\\.\\./)+${layer}(/|$)`;

const borders = layers.map((layer, i) => {
  const above = layers.slice(0, i);
  const patterns = above.map((name) => ({
    regex: layerImport(name),
    message: `${layer}/ may not import from ${name}/: imports go ${layers.join(" → ")}.`,
  }));
  if (layer === "image" || layer === "targets")
    patterns.push({ regex: "^@pulumi/", message: `${layer}/ knows nothing of Pulumi.` });
  else if (layer !== "aws")
    patterns.push({ regex: "^@pulumi/aws", message: `${layer}/ does without the clouds' own packages.` });
  return {
    files: [`provider/src/${layer}/**/*.ts`],
    rules: { "no-restricted-imports": ["error", { patterns }] },
  };
});

export default defineConfig(
  globalIgnores(["**/dist/", "**/node_modules/", "**/build/", "**/target/", "examples/*/image/"]),
  js.configs.recommended,
  {
    files: ["**/*.ts", "**/*.mts"],
    extends: [tseslint.configs.recommendedTypeChecked, tseslint.configs.stylistic],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      // An async function without `await` is how an interface that returns a promise is met.
      "@typescript-eslint/require-await": "off",
      "@typescript-eslint/consistent-type-definitions": "off",
      "@typescript-eslint/consistent-indexed-object-style": "off",
      "@typescript-eslint/consistent-type-imports": "error",
    },
  },
  {
    files: ["**/*.mjs", "**/*.js"],
    languageOptions: { globals: globals.node },
    rules: { "no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }] },
  },
  { files: ["provider/bin/*.js", "**/*.cjs"], languageOptions: { sourceType: "commonjs", globals: globals.node } },
  ...borders,
);
