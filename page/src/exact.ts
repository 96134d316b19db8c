// JSON in and out without losing digits: integers that a double cannot hold stay as they were written.

export interface RawJson {
  rawJSON: string;
}
export type Json = null | boolean | number | string | RawJson | Json[] | { [key: string]: Json };

interface ExactJson {
  rawJSON?: (text: string) => RawJson;
  isRawJSON?: (value: unknown) => value is RawJson;
  parse(text: string, reviver: (key: string, value: unknown, context?: { source?: string }) => unknown): unknown;
}
const exact = JSON as unknown as ExactJson;

export function isRaw(value: unknown): value is RawJson {
  return exact.isRawJSON?.(value) ?? false;
}

/** Like JSON.parse. Browsers that cannot keep the digits of a large integer round it, as they always do. */
export function parseJson(text: string): Json {
  return exact.parse(text, (_, value, context) => {
    const rounded = typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value);
    return rounded && exact.rawJSON && context?.source ? exact.rawJSON(context.source) : value;
  }) as Json;
}

export function isObject(value: unknown): value is { [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isRaw(value);
}

export function isNumber(value: unknown): value is number | RawJson {
  return typeof value === "number" || isRaw(value);
}
