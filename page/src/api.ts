// The server's endpoints that the page uses, and what can go wrong with them.

import { parseJson } from "./exact";
import type { Plan } from "./plan";
import type { Schema } from "./schema";
import { readKey } from "./storage";

export interface Model {
  id: string;
  platypus?: { tools: number; notation: string; default: boolean };
}
export interface ToolArgument {
  name: string;
  description: string;
  required: boolean;
  schema: Schema;
}
export interface Tool {
  name: string;
  title: string;
  description: string;
  arguments: ToolArgument[];
  output_schema: Schema | null;
}
export interface Catalogue {
  model: string;
  tools: Tool[];
  examples: string[];
}
export interface Candidate {
  plan: Plan;
  probability: number | null;
  confidence: number | null;
  notes?: string[];
}
export interface Answer {
  id: string;
  model: string;
  request: string;
  plans: Candidate[];
  seconds: number;
}
export interface Problem {
  step: number | null;
  argument: string | null;
  message: string;
}
export interface Check {
  valid: boolean;
  problems: Problem[];
}
export interface Saved {
  id: string;
  waiting: number;
  command: string;
}
export interface Corrections {
  waiting: number;
  command: string;
  examples: { request: string; plan: Plan }[];
}

export type Kind = "gone" | "busy" | "starting" | "late" | "key" | "refused";

/** Why there is no answer, in words for people. `wait`: after how many seconds the server asks to try again. */
export class Trouble extends Error {
  constructor(
    readonly kind: Kind,
    message: string,
    readonly wait: number | null = null,
  ) {
    super(message);
  }
}

const KINDS: { [status: number]: Kind } = { 401: "key", 429: "busy", 503: "starting" };
const CODES: { [code: string]: Kind } = { timeout: "late", shutting_down: "gone" };

async function call<T>(path: string, init: { body?: unknown; signal?: AbortSignal } = {}): Promise<T> {
  const key = readKey();
  const headers: Record<string, string> = key ? { Authorization: `Bearer ${key}` } : {};
  const request: RequestInit = { headers, signal: init.signal ?? null, cache: "no-store" };
  if (init.body !== undefined) {
    headers["Content-Type"] = "application/json";
    Object.assign(request, { method: "POST", body: JSON.stringify(init.body) });
  }
  let response: Response;
  let text: string;
  try {
    response = await fetch(new URL(path, document.baseURI), request);
    text = await response.text();
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Trouble("gone", "The server does not answer. Is it still running?");
  }
  if (response.ok) return parseJson(text) as T;
  const wait = Number(response.headers.get("Retry-After") ?? NaN);
  const { message, code } = errorIn(text);
  const kind = CODES[code ?? ""] ?? KINDS[response.status] ?? "refused";
  throw new Trouble(
    kind,
    message || `The server answered with status ${response.status}.`,
    Number.isFinite(wait) ? wait : null,
  );
}

/** The server's own error; empty if something between it and the page answered. */
function errorIn(text: string): { message?: string; code?: string } {
  try {
    return (JSON.parse(text) as { error?: object }).error ?? {};
  } catch {
    return {};
  }
}

const query = (model: string) => new URLSearchParams({ model });

export const models = () => call<{ data: Model[] }>("v1/models").then(({ data }) => data);
export const catalogue = (model: string) => call<Catalogue>(`v1/catalogue?${query(model)}`);
export const corrections = (model: string) => call<Corrections>(`v1/corrections?${query(model)}`);
export const plan = (request: string, model: string, k: number, signal: AbortSignal) =>
  call<Answer>("v1/plan", { body: { request, model, k }, signal });
export const check = (draft: Plan, model: string, signal: AbortSignal) =>
  call<Check>("v1/check", { body: { model, plan: draft }, signal });
export const correct = (model: string, request: string, right: Plan, answered: Plan | null) =>
  call<Saved>("v1/corrections", { body: { model, request, plan: right, ...(answered && { answered }) } });
