// Turns JSON Schemas of inputs and outputs into a Pulumi package schema.
// https://www.pulumi.com/docs/iac/packages-and-automation/pulumi-packages/schema/

/** The package schema with these resources, each given by the JSON Schemas of its inputs and its outputs. */
export function pulumiSchema({ version, resources }) {
  const types = new TypeTable();
  return {
    name: "unikernel",
    displayName: "Unikernel",
    version,
    description: "Runs an unmodified Linux application as a virtual machine of its own.",
    keywords: ["pulumi", "unikernel", "category/infrastructure", "kind/native"],
    license: "Apache-2.0",
    language: { nodejs: { packageName: "pulumi-unikernel", respectSchemaVersion: true } },
    resources: Object.fromEntries(
      Object.entries(resources).map(([name, { description, inputs, outputs }]) => [
        name.includes(":") ? `unikernel:${name}` : `unikernel:index:${name}`,
        {
          description,
          properties: types.properties(outputs, outputs.definitions ?? {}),
          ...(outputs.required && { required: outputs.required }),
          inputProperties: types.properties(inputs, inputs.definitions ?? {}),
          ...(inputs.required && { requiredInputs: inputs.required }),
        },
      ]),
    ),
    types: types.sorted(),
  };
}

class TypeTable {
  #types = new Map();

  sorted() {
    return Object.fromEntries([...this.#types].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  properties(object, definitions) {
    return Object.fromEntries(
      Object.entries(object.properties ?? {}).map(([name, schema]) => {
        const described = describe(schema.description ? schema : (definitions[typeName(schema.$ref)] ?? {}));
        return [name, { ...this.#property(name, schema, definitions), ...described }];
      }),
    );
  }

  #property(name, schema, definitions) {
    if (schema.$ref) return this.#reference(typeName(schema.$ref), definitions);
    if (schema.enum && schema.type === "string") return this.#enumeration(capitalized(name), schema);
    if (schema.const !== undefined) return { type: typeof schema.const };
    if (Array.isArray(schema.type)) return { oneOf: schema.type.map((type) => ({ type })) };
    if (schema.anyOf) return { oneOf: schema.anyOf.map((alternative) => this.#property(name, alternative, definitions)) };
    if (schema.type === "array") return { type: "array", items: this.#property(name, schema.items, definitions) };
    if (schema.type === "object") return this.#object(name, schema, definitions);
    return { type: schema.type };
  }

  #object(name, schema, definitions) {
    if (!schema.properties) return { type: "object", additionalProperties: this.#property(name, schema.additionalProperties, definitions) };
    return this.#named(capitalized(name), { type: "object", ...describe(schema), ...this.#members(schema, definitions) });
  }

  #reference(name, definitions) {
    const schema = definitions[name];
    if (schema.anyOf) return this.#merged(name, schema, definitions);
    if (schema.enum) return this.#enumeration(name, schema);
    if (schema.type !== "object") return { type: schema.type };
    // Once under way, a type that refers to itself is there already.
    if (this.#types.has(`unikernel:index:${name}`)) return { $ref: `#/types/unikernel:index:${name}` };
    return this.#named(name, { type: "object", ...describe(schema), ...this.#members(schema, definitions) });
  }

  /** Several forms of an object, as one type with the properties of all: not every language has unions of objects. */
  #merged(name, schema, definitions) {
    const forms = schema.anyOf.map((form) => definitions[typeName(form.$ref)]);
    const properties = Object.assign({}, ...forms.map((form) => this.properties(form, definitions)));
    return this.#named(name, { type: "object", ...describe(schema), properties });
  }

  #members(schema, definitions) {
    return { properties: this.properties(schema, definitions), ...(schema.required && { required: schema.required }) };
  }

  #enumeration(name, schema) {
    return this.#named(name, { type: "string", ...describe(schema), enum: schema.enum.map((value) => ({ value })) });
  }

  #named(name, type) {
    this.#types.set(`unikernel:index:${name}`, type);
    return { $ref: `#/types/unikernel:index:${name}` };
  }
}

function describe(schema) {
  // Links of TSDoc mean nothing to other languages.
  return schema.description ? { description: schema.description.replaceAll(/\s*\{\s*@link\s+([^}\s]+)\s*\}(?:\s+(?=[.,;:]))?/g, " `$1`") } : {};
}

function typeName(reference) {
  return reference?.replace("#/definitions/", "");
}

function capitalized(name) {
  return name[0].toUpperCase() + name.slice(1);
}
