// Plans as data: references found, moved and named; a plan as text; the arrows between its steps.

import { isObject, type Json } from "./exact";

export interface Argument {
  argument_name: string;
  argument_value: Json;
}
export interface Step {
  tool_name: string;
  arguments: Argument[];
}
export type Plan = Step[];

export interface Reference {
  step: number;
  path: string[];
}

const REFERENCE = /^\$\$PREV\[(0|[1-9][0-9]{0,5})\]((?:\.[\p{L}\p{N}_$-]+(?: [\p{L}\p{N}_$-]+)*)*)$/u;

export function readReference(value: unknown): Reference | null {
  const match = typeof value === "string" ? REFERENCE.exec(value) : null;
  return match && { step: Number(match[1]), path: match[2] ? match[2].slice(1).split(".") : [] };
}

export function writeReference({ step, path }: Reference): string {
  return [`$$PREV[${step}]`, ...path].join(".");
}

/** "step 1", "title of step 1", "first of step 1": steps are counted from 1, as people do. */
export function referenceInWords({ step, path }: Reference): string {
  const where = path.length === 1 && path[0] === "0" ? "first" : path.join(".");
  return where ? `${where} of step ${step + 1}` : `step ${step + 1}`;
}

/** The references in an argument's value: the value itself, or elements of a list. */
export function referencesIn(value: Json): Reference[] {
  return (Array.isArray(value) ? value : [value]).map(readReference).filter((one) => one !== null);
}

export interface Arrow {
  from: number;
  to: number;
  labels: string[];
}

/** One arrow for each pair of steps, labelled with what is handed on: "objects", or "title → text". */
export function arrows(plan: Plan): Arrow[] {
  const found = new Map<string, Arrow>();
  plan.forEach((step, to) => {
    for (const { argument_name, argument_value } of step.arguments) {
      for (const { step: from, path } of referencesIn(argument_value)) {
        const arrow = found.get(`${from} ${to}`) ?? { from, to, labels: [] };
        const label = path.length ? `${path.join(".")} → ${argument_name}` : argument_name;
        if (!arrow.labels.includes(label)) arrow.labels.push(label);
        if (from < to) found.set(`${from} ${to}`, arrow);
      }
    }
  });
  return [...found.values()];
}

/** The plan as JSON, one line for each name and value. */
export function printPlan(plan: Plan): string {
  const steps = plan.map(({ tool_name, arguments: given }) => {
    const pairs = given.map(
      (one) =>
        `\n    {"argument_name": ${text(one.argument_name)},\n     "argument_value": ${text(one.argument_value)}}`,
    );
    return `{"tool_name": ${text(tool_name)},\n  "arguments": [${pairs.join(",")}]}`;
  });
  return `[${steps.join(",\n ")}]`;
}

/** JSON on one line, with a space behind commas and colons. */
export function text(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(text).join(", ")}]`;
  if (isObject(value))
    return `{${Object.entries(value)
      .map(([key, one]) => `${JSON.stringify(key)}: ${text(one)}`)
      .join(", ")}}`;
  return JSON.stringify(value);
}

export function same(one: Plan, other: Plan): boolean {
  return text(one as unknown as Json) === text(other as unknown as Json);
}

/** "who_am_i() → works_list(owned_by: step 1)". */
export function calls(plan: Plan): string {
  const shown = (value: Json): string => {
    const reference = readReference(value);
    if (reference) return referenceInWords(reference);
    return Array.isArray(value) ? `[${value.map(shown).join(", ")}]` : text(value);
  };
  const given = ({ arguments: all }: Step) => all.map((one) => `${one.argument_name}: ${shown(one.argument_value)}`);
  return plan.map((step) => `${step.tool_name}(${given(step).join(", ")})`).join(" → ");
}

/** "who_am_i → works_list", or that there is no plan. */
export function summary(plan: Plan): string {
  return plan.length ? plan.map((step) => step.tool_name).join(" → ") : "No tool here can do this";
}
