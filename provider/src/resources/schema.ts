import { existsSync, readFileSync } from "node:fs";
import * as path from "node:path";

/** A property in the Pulumi package schema. */
export interface PropertySpec {
  type?: "string" | "number" | "integer" | "boolean" | "array" | "object";
  $ref?: string;
  items?: PropertySpec;
  additionalProperties?: PropertySpec;
  oneOf?: PropertySpec[];
  description?: string;
}

/** A named type in the Pulumi package schema: an object, or an enumeration of texts. */
export interface TypeSpec {
  type: "object" | "string";
  description?: string;
  properties?: Record<string, PropertySpec>;
  required?: string[];
  enum?: { value: string; description?: string }[];
}

/** A resource in the Pulumi package schema. */
export interface ResourceSpec {
  description?: string;
  properties: Record<string, PropertySpec>;
  required?: string[];
  inputProperties: Record<string, PropertySpec>;
  requiredInputs?: string[];
}

/** The Pulumi package schema, as far as this package writes it. */
export interface PackageSchema {
  types: Record<string, TypeSpec>;
  resources: Record<string, ResourceSpec>;
}

let loaded: PackageSchema | undefined;

/** The Pulumi package schema. It is generated from the declarations in this folder, and what inputs are checked against. */
export function packageSchema(): PackageSchema {
  loaded ??= JSON.parse(readFileSync(schemaFile(), "utf8")) as PackageSchema;
  return loaded;
}

/** In a checkout the schema has a folder of its own; in an installed package it lies beside the code. */
function schemaFile(): string {
  const checkout = path.join(__dirname, "..", "..", "..", "schema");
  const folder = existsSync(path.join(checkout, "generate.mjs")) ? checkout : path.join(__dirname, "..", "schema");
  return path.join(folder, "unikernel.json");
}

/** The schema of one kind of resource. */
export function resourceSchema(token: string): ResourceSpec {
  const spec = packageSchema().resources[token];
  if (spec === undefined) throw new Error(`the schema has no resource ${token}`);
  return spec;
}

/** The type that a reference such as `#/types/unikernel:index:PortMapping` names. */
export function objectType(reference: string): TypeSpec {
  const spec = packageSchema().types[reference.replace("#/types/", "")];
  if (spec === undefined) throw new Error(`the schema has no type ${reference}`);
  return spec;
}
