import js from "@eslint/js";
import { defineConfig, globalIgnores } from "eslint/config";
import globals from "globals";
import tseslint from "typescript-eslint";

/** The component resources of clouds. Nothing else imports them or their Pulumi packages, so that whoever stays at home installs none. */
const clouds = ["aws", "gcp"];
/** The provider's layers, outermost first: a layer imports those below it, never one above or beside it. */
const layers = [...clouds, "cloud", "hosts", "resources", "targets", "image"];

/** An import of a sibling layer of provider/src, from any depth inside a layer. */
const layerImport = (layer) => `^(\\.\\./)+${layer}(/|$)`;

const borders = layers.map((layer, i) => {
  const above = clouds.includes(layer) ? clouds.filter((other) => other !== layer) : layers.slice(0, i);
  const patterns = above.map((name) => ({
    regex: layerImport(name),
    message: `${layer}/ may not import from ${name}/: imports go ${clouds.join(" or ")} → ${layers.slice(clouds.length).join(" → ")}.`,
  }));
  const packages =
    layer === "image" || layer === "targets"
      ? [{ regex: "^@pulumi/", message: `${layer}/ knows nothing of Pulumi.` }]
      : clouds
          .filter((cloud) => cloud !== layer)
          .map((cloud) => ({
            regex: `^@pulumi/${cloud}(/|$)`,
            message: `${layer}/ does without the packages of ${cloud}.`,
          }));
  return {
    files: [`provider/src/${layer}/**/*.ts`],
    rules: { "no-restricted-imports": ["error", { patterns: [...patterns, ...packages] }] },
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
  // Programs of users, each with the clouds' types of its own to load; their types are the compiler's to check.
  {
    files: ["examples/**/*.ts"],
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: { parserOptions: { projectService: false } },
  },
  {
    files: ["**/*.mjs", "**/*.js"],
    languageOptions: { globals: globals.node },
    rules: { "no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }] },
  },
  { files: ["provider/bin/*.js", "**/*.cjs"], languageOptions: { sourceType: "commonjs", globals: globals.node } },
  ...borders,
);
