// A plan while it is edited: values may be missing, and steps keep their identity when they move.

import type { Tool } from "./api";
import { isObject, type Json } from "./exact";
import { readReference, referencesIn, writeReference, type Plan } from "./plan";
import { fits, isNothing, part, parts, type Schema } from "./schema";

export type Value = Json | undefined;
export interface DraftStep {
  key: number;
  tool: string;
  values: { [argument: string]: Value };
}
export type Draft = DraftStep[];
export type Tools = ReadonlyMap<string, Tool>;

let keys = 0;

export function draftOf(plan: Plan): Draft {
  return plan.map((step) => ({
    key: keys++,
    tool: step.tool_name,
    values: Object.fromEntries(step.arguments.map((one) => [one.argument_name, one.argument_value])),
  }));
}

/** The plan, arguments in the catalogue's order, without the arguments that are not complete. */
export function planOf(draft: Draft, tools: Tools): Plan {
  return draft.map(({ tool, values }) => {
    const known = tools.get(tool)?.arguments.map(({ name }) => name) ?? [];
    const names = [
      ...known.filter((name) => name in values),
      ...Object.keys(values).filter((name) => !known.includes(name)),
    ];
    const given = names.flatMap((name) => {
      const value = values[name];
      return isComplete(value) ? [{ argument_name: name, argument_value: value as Json }] : [];
    });
    return { tool_name: tool, arguments: given };
  });
}

export function isComplete(value: Value): boolean {
  if (Array.isArray(value)) return value.every(isComplete);
  return isObject(value) ? Object.values(value).every(isComplete) : value !== undefined;
}

/** A step with this tool: what is required stands there without a value, and old values of the same name stay. */
export function stepWith(tool: Tool, before?: DraftStep): DraftStep {
  const kept = tool.arguments.filter(({ name, required }) => required || (before && name in before.values));
  return {
    key: before?.key ?? keys++,
    tool: tool.name,
    values: Object.fromEntries(kept.map(({ name }) => [name, before?.values[name]])),
  };
}

export function replaced(draft: Draft, at: number, step: DraftStep): Draft {
  return draft.map((one, i) => (i === at ? step : one));
}

/** Without step `at`; what referred to it has no value any more. */
export function without(draft: Draft, at: number): Draft {
  return renumbered(draft.toSpliced(at, 1), (step) => (step === at ? null : step > at ? step - 1 : step));
}

/** Whether step `at` and the one after it can change places: the later one may not use the earlier one's output. */
export function canSwap(draft: Draft, at: number): boolean {
  const later = draft[at + 1];
  return at >= 0 && later !== undefined && !uses(later, at);
}

export function uses(step: DraftStep, other: number): boolean {
  return Object.values(step.values).some(
    (value) => value !== undefined && referencesIn(value).some((one) => one.step === other),
  );
}

export function swapped(draft: Draft, at: number): Draft {
  const moved = [...draft.slice(0, at), draft[at + 1]!, draft[at]!, ...draft.slice(at + 2)];
  return renumbered(moved, (step) => (step === at ? at + 1 : step === at + 1 ? at : step));
}

function renumbered(draft: Draft, index: (step: number) => number | null): Draft {
  const one = (value: Value): Value => {
    const reference = readReference(value);
    if (!reference) return value;
    const step = index(reference.step);
    return step === null ? undefined : writeReference({ ...reference, step });
  };
  return draft.map((step) => ({
    ...step,
    values: Object.fromEntries(
      Object.entries(step.values).map(([name, value]) => [
        name,
        Array.isArray(value) ? (value.map(one) as Value) : one(value),
      ]),
    ),
  }));
}

/** An output, or a part of one, that may be the value of an argument. `open`: any field of it may be named. */
export interface Source {
  step: number;
  path: string[];
  tool: string;
  open: boolean;
}

/** What of the steps before `at` fits the schema. */
export function sources(draft: Draft, tools: Tools, at: number, schema: Schema): Source[] {
  return draft.slice(0, at).flatMap(({ tool }, step) => {
    const output = outputOf(tools, tool);
    if (isNothing(output)) return [];
    return parts(output)
      .filter((one) => fits(one.schema, schema))
      .map(({ path }) => ({ step, path, tool, open: isOpen(output, path) }));
  });
}

function isOpen(output: Schema, path: string[]): boolean {
  const named = part(output, [...path, "any field"]);
  return named !== null && Object.keys(named).length === 0;
}

/** The schema of what a tool returns; `{}`, anything, if nobody described it. */
export function outputOf(tools: Tools, tool: string): Schema {
  return tools.get(tool)?.output_schema ?? {};
}
