// What the page needs of platypus/catalogue/schema.py, decided in the same way: parts of schemas, and what fits where.

import { isObject, type Json } from "./exact";

export type Schema = { [key: string]: Json };

export function variants(schema: Schema): Schema[] {
  const branches = (schema.anyOf ?? schema.oneOf) as Schema[] | undefined;
  if (branches?.length) {
    const { anyOf: _any, oneOf: _one, ...outer } = schema;
    return branches.flatMap((branch) => variants({ ...outer, ...branch }));
  }
  let names = (typeof schema.type === "string" ? [schema.type] : (schema.type ?? [])) as string[];
  if (!names.length && "properties" in schema) names = ["object"];
  else if (!names.length && ("items" in schema || "prefixItems" in schema)) names = ["array"];
  return names.length ? names.map((type) => ({ ...schema, type })) : [schema];
}

export function isNothing(schema: Schema): boolean {
  return variants(schema).every((variant) => variant.type === "null");
}

/** The schema of every element of this array, or null if there is none: no array, or a tuple. */
export function arrayItems(schema: Schema): Schema | null {
  for (const variant of variants(schema)) {
    const fixed = "enum" in variant || "const" in variant || "prefixItems" in variant;
    if ((variant.type ?? "array") === "array" && !fixed) return (variant.items ?? {}) as Schema;
  }
  return null;
}

/** The schema of `output.field.0`, given the output's; null if there is no such part. */
export function part(schema: Schema, path: readonly string[]): Schema | null {
  const [head, ...rest] = path;
  if (head === undefined) return schema;
  for (const variant of variants(schema)) {
    if (variant.type === undefined) return {};
    if (variant.type === "array" && /^\d+$/.test(head)) {
      const positions = (variant.prefixItems ?? []) as Schema[];
      return part(positions[Number(head)] ?? ((variant.items ?? {}) as Schema), rest);
    }
    if (variant.type === "object") {
      const properties = (variant.properties ?? {}) as { [name: string]: Schema };
      const property = Object.hasOwn(properties, head) ? properties[head] : undefined;
      if (property) return part(property, rest);
      if (!Object.keys(properties).length || isTrue(variant.additionalProperties)) return {};
    }
  }
  return null;
}

function isTrue(additional: Json | undefined): boolean {
  return isObject(additional) ? Object.keys(additional).length > 0 : Boolean(additional);
}

/** Whether a value described by `output` may be used as a value of `argument`. */
export function fits(output: Schema, argument: Schema): boolean {
  return variants(output).some((one) => variants(argument).some((other) => fitsOne(one, other)));
}

function fitsOne(output: Schema, argument: Schema): boolean {
  if (output.type === "null") return false;
  if (output.type === undefined) return true;
  if (argument.type === undefined) return !isNothing(output);
  if (output.type !== argument.type && !(output.type === "integer" && argument.type === "number")) return false;
  if (argument.enum) {
    const allowed = new Set((argument.enum as Json[]).map((value) => JSON.stringify(value)));
    const given = (output.enum ?? [null]) as Json[];
    if (given.some((value) => !allowed.has(JSON.stringify(value)))) return false;
  }
  if ((output.format ?? argument.format) !== (argument.format ?? output.format)) return false;
  if (argument.type === "array") {
    const [ofOutput, ofArgument] = [elements(output), elements(argument)];
    return ofOutput.length === ofArgument.length && ofOutput.every((one, i) => fits(one, ofArgument[i]!));
  }
  if (argument.type === "object" && Object.keys((output.properties ?? {}) as Schema).length) {
    const properties = output.properties as { [name: string]: Schema };
    const needed = (argument.properties ?? {}) as { [name: string]: Schema };
    return ((argument.required ?? []) as string[]).every(
      (name) => Object.hasOwn(properties, name) && fits(properties[name]!, needed[name] ?? {}),
    );
  }
  return true;
}

function elements(schema: Schema): Schema[] {
  return (schema.prefixItems ?? [(schema.items ?? {}) as Schema]) as Schema[];
}

/** The parts of an output that a reference can name, each with its schema; the whole output first. */
export function parts(schema: Schema, path: string[] = [], depth = 3): { path: string[]; schema: Schema }[] {
  const found = [{ path, schema }];
  if (!depth) return found;
  for (const variant of variants(schema)) {
    if (variant.type === "array") {
      const positions = (variant.prefixItems as Schema[] | undefined) ?? [(variant.items ?? {}) as Schema];
      positions.forEach((item, i) => found.push(...parts(item, [...path, String(i)], depth - 1)));
    } else if (variant.type === "object") {
      for (const [name, property] of Object.entries((variant.properties ?? {}) as { [name: string]: Schema })) {
        if (NAME.test(name)) found.push(...parts(property, [...path, name], depth - 1));
      }
    }
  }
  return found;
}

const NAME = /^[\p{L}\p{N}_$-]+(?: [\p{L}\p{N}_$-]+)*$/u; // a field name that a reference can write

const TYPES: { [type: string]: string } = {
  string: "text",
  integer: "whole number",
  number: "number",
  boolean: "yes or no",
  object: "object",
  null: "nothing",
};

/** The schema for people: "list of text (user-id)", "one of p0, p1". */
export function inWords(schema: Schema): string {
  return [...new Set(variants(schema).map(oneInWords))].join(" or ");
}

function oneInWords(schema: Schema): string {
  if ("const" in schema) return JSON.stringify(schema.const);
  if (Array.isArray(schema.enum)) {
    const shown = schema.enum.slice(0, 8).map((value) => (typeof value === "string" ? value : JSON.stringify(value)));
    return `one of ${shown.join(", ")}${schema.enum.length > 8 ? ", …" : ""}`;
  }
  if (schema.type === "array") {
    const [first, ...more] = elements(schema);
    if (more.length) return `${more.length + 1} values`;
    const words = inWords(first ?? {});
    return words.startsWith("one of ") ? words.replace("one", "any") : `list of ${words}`;
  }
  const format = typeof schema.format === "string" && schema.format !== "text" ? ` (${schema.format})` : "";
  return typeof schema.type === "string" ? `${TYPES[schema.type] ?? schema.type}${format}` : "anything";
}
