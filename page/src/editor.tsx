// Corrects a plan: steps are added, removed, moved and changed; what the server finds valid can be saved.

import { useEffect, useId, useRef, useState } from "preact/hooks";
import * as api from "./api";
import { announce } from "./announce";
import { canSwap, draftOf, isComplete, planOf, replaced, sources, stepWith, swapped, without } from "./draft";
import type { Draft, DraftStep, Tools, Value } from "./draft";
import { AddSelect, Field, ListField, SourceField } from "./field";
import { Graph } from "./graph";
import { Notice } from "./notice";
import { referencesIn, same, type Plan } from "./plan";
import { arrayItems, inWords, variants, type Schema } from "./schema";
import { count } from "./words";

interface Props {
  request: string;
  start: Plan;
  tools: Tools;
  model: string;
  onSave: (plan: Plan) => Promise<void>;
  onCancel: () => void;
}

export function Editor({ request, start, tools, model, onSave, onCancel }: Props) {
  const [draft, setDraft] = useState(() => draftOf(start));
  const [trouble, setTrouble] = useState<api.Trouble | null>(null);
  const [saving, setSaving] = useState(false);
  const title = useRef<HTMLHeadingElement>(null);
  const plan = planOf(draft, tools);
  const checked = useCheck(draft, plan, model, setTrouble);
  const valid = checked !== null && checked.length === 0;
  useEffect(() => title.current?.focus(), []);
  useEffect(() => {
    if (same(plan, start)) return;
    const warn = (event: Event) => event.preventDefault();
    addEventListener("beforeunload", warn);
    return () => removeEventListener("beforeunload", warn);
  }, [draft]);

  const save = async () => {
    if (!valid || saving) return;
    setSaving(true);
    try {
      await onSave(plan);
    } catch (error) {
      setTrouble(error as api.Trouble);
      setSaving(false);
    }
  };
  const add = () => {
    const first = tools.values().next().value;
    if (first) setDraft([...draft, stepWith(first)]);
    announce(`Step ${draft.length + 1} was added.`);
    focusSoon(() => document.querySelector(".draft:last-child .tool"));
  };
  return (
    <section class="editor" aria-label="Correct the plan">
      <div class="columns">
        <div>
          <h2 tabIndex={-1} ref={title}>
            What would be right?
          </h2>
          <p class="muted">For “{request}”</p>
          <ol class="drafts">
            {draft.map((step, i) => (
              <StepForm
                key={step.key}
                at={i}
                step={step}
                draft={draft}
                tools={tools}
                problems={checked ?? []}
                onChange={setDraft}
              />
            ))}
          </ol>
          {!draft.length && <p class="empty">Without steps, the plan says that no tool here can do this.</p>}
          <button type="button" id={ADD} onClick={add}>
            Add a step
          </button>
        </div>
        <div class="preview" aria-hidden="true">
          <Graph plan={plan} />
        </div>
      </div>
      {trouble && (
        <Notice
          trouble={trouble}
          onRetry={() => {
            setTrouble(null);
            setDraft([...draft]);
          }}
        />
      )}
      <div class="bar">
        <button
          type="button"
          class="main"
          aria-disabled={!valid || saving}
          aria-describedby="draft-state"
          onClick={save}
        >
          Save as right
        </button>
        <button type="button" onClick={onCancel}>
          Cancel
        </button>
        <p id="draft-state" role="status" class={valid ? "good" : "muted"}>
          {state(checked)}
        </p>
      </div>
    </section>
  );
}

const ADD = "add-step";

/** Focus an element once the page is drawn anew. */
function focusSoon(element: () => HTMLElement | null): void {
  requestAnimationFrame(() => element()?.focus());
}

/** The server's message with steps counted as on the page. */
function countedFromOne(message: string): string {
  const counted = message.replace(/^step (\d+) returns/, (_, step) => `step ${Number(step) + 1} returns`);
  return counted.replace(/\$\$PREV\[(\d+)\]/g, (_, step) => `step ${Number(step) + 1}`);
}

function state(problems: api.Problem[] | null): string {
  if (!problems) return "Checking …";
  return problems.length
    ? `${count(problems.length, "problem")} left; only a valid plan can be saved.`
    : "This plan is valid.";
}

/** The draft's problems, or null while they are not known. Missing values are seen here, all else by the server. */
function useCheck(draft: Draft, plan: Plan, model: string, onTrouble: (trouble: api.Trouble | null) => void) {
  const [checked, setChecked] = useState<{ draft: Draft; problems: api.Problem[] } | null>(null);
  useEffect(() => {
    const problems = missing(draft);
    if (problems.length) return setChecked({ draft, problems });
    const stop = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const found = await api.check(plan, model, stop.signal);
        onTrouble(null);
        setChecked({ draft, problems: found.problems });
      } catch (error) {
        if (error instanceof api.Trouble) onTrouble(error);
      }
    }, PAUSE);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [draft]);
  return checked?.draft === draft ? checked.problems : null;
}

const PAUSE = 200; // ms without typing before the server is asked

function missing(draft: Draft): api.Problem[] {
  return draft.flatMap(({ values }, step) =>
    Object.entries(values).flatMap(([argument, value]) =>
      isComplete(value) ? [] : [{ step, argument, message: "needs a value" }],
    ),
  );
}

interface StepProps {
  at: number;
  step: DraftStep;
  draft: Draft;
  tools: Tools;
  problems: api.Problem[];
  onChange: (draft: Draft) => void;
}

function StepForm({ at, step, draft, tools, problems, onChange }: StepProps) {
  const tool = tools.get(step.tool);
  const set = (values: DraftStep["values"]) => onChange(replaced(draft, at, { ...step, values }));
  const here = problems.filter((one) => one.step === at);
  const names = tool ? tool.arguments.map(({ name }) => name) : [];
  const shown = [
    ...names.filter((name) => name in step.values),
    ...Object.keys(step.values).filter((name) => !names.includes(name)),
  ];
  const elsewhere = here.filter((one) => one.argument === null || !shown.includes(one.argument));
  const remove = () => {
    onChange(without(draft, at));
    announce(`Step ${at + 1} was removed.`);
    focusSoon(() => document.getElementById(ADD));
  };
  const move = (first: number) => {
    onChange(swapped(draft, first));
    announce(`It is step ${first === at ? at + 2 : at} now.`);
    const button = document.activeElement as HTMLElement | null; // moving its step takes the focus away
    focusSoon(() => button);
  };
  return (
    <li class="draft">
      <fieldset>
        <legend class="unseen">Step {at + 1}</legend>
        <div class="head">
          <span class="number">{at + 1}</span>
          <ToolField
            at={at}
            step={step}
            tools={tools}
            onChange={(other) => onChange(replaced(draft, at, stepWith(other, step)))}
          />
          <Move draft={draft} first={at - 1} at={at} arrow="↑" onMove={move} />
          <Move draft={draft} first={at} at={at} arrow="↓" onMove={move} />
          <button type="button" class="quiet" aria-label={`Remove step ${at + 1}`} onClick={remove}>
            ×
          </button>
        </div>
        {tool && <p class="muted">{tool.description}</p>}
        {shown.map((name) => (
          <ArgumentForm
            key={`${step.tool} ${name}`}
            {...{ at, name, draft, tools }}
            argument={tool?.arguments.find((one) => one.name === name)}
            value={step.values[name]}
            problems={here.filter((one) => one.argument === name)}
            onChange={(value) => set({ ...step.values, [name]: value })}
            onRemove={() => set(Object.fromEntries(Object.entries(step.values).filter(([other]) => other !== name)))}
          />
        ))}
        <AddSelect
          label={`Add an argument to step ${at + 1}`}
          names={names.filter((name) => !(name in step.values))}
          onAdd={(name) => set({ ...step.values, [name]: undefined })}
        />
        {elsewhere.map((one) => (
          <p class="problem">{countedFromOne(one.message)}</p>
        ))}
      </fieldset>
    </li>
  );
}

function Move({
  draft,
  first,
  at,
  arrow,
  onMove,
}: {
  draft: Draft;
  first: number;
  at: number;
  arrow: string;
  onMove: (first: number) => void;
}) {
  const exists = first >= 0 && first + 1 < draft.length;
  const allowed = canSwap(draft, first);
  const label = `Move step ${at + 1} ${arrow === "↑" ? "up" : "down"}`;
  const why = exists && !allowed ? `Step ${first + 2} uses the output of step ${first + 1}` : undefined;
  return (
    <button
      type="button"
      class="quiet"
      aria-label={why ? `${label}: ${why}` : label}
      title={why}
      aria-disabled={!allowed}
      onClick={() => allowed && onMove(first)}
    >
      {arrow}
    </button>
  );
}

const MANY = 100; // from so many tools on, a name is typed with suggestions

function ToolField({
  at,
  step,
  tools,
  onChange,
}: {
  at: number;
  step: DraftStep;
  tools: Tools;
  onChange: (tool: api.Tool) => void;
}) {
  const list = useId();
  const choose = (event: Event) => {
    const tool = tools.get((event.currentTarget as HTMLInputElement).value);
    if (tool && tool.name !== step.tool) onChange(tool);
  };
  const label = { "aria-label": `Tool of step ${at + 1}`, class: "tool code" };
  const options = [...tools.keys()].map((name) => <option value={name}>{name}</option>);
  if (tools.size < MANY) {
    return (
      <select {...label} value={step.tool} onChange={choose}>
        {!tools.has(step.tool) && <option value={step.tool}>{step.tool}</option>}
        {options}
      </select>
    );
  }
  return (
    <>
      <input {...label} type="text" list={list} defaultValue={step.tool} onChange={choose} />
      <datalist id={list}>{options}</datalist>
    </>
  );
}

/** The schema of the elements if the value is to be edited as a list whose elements may be references. */
function listItems(schema: Schema, value: Value): Schema | null {
  const isList = variants(schema).every((one) => one.type === "array") && (value === undefined || Array.isArray(value));
  return isList || (Array.isArray(value) && referencesIn(value).length > 0) ? arrayItems(schema) : null;
}

interface ArgumentProps {
  at: number;
  name: string;
  argument: api.ToolArgument | undefined;
  draft: Draft;
  tools: Tools;
  value: Value;
  problems: api.Problem[];
  onChange: (value: Value) => void;
  onRemove: () => void;
}

function ArgumentForm({ at, name, argument, draft, tools, value, problems, onChange, onRemove }: ArgumentProps) {
  const id = useId();
  const schema = argument?.schema ?? {};
  const label = `${name} of step ${at + 1}`;
  const field = { id, label, schema, value, onChange, describedBy: `${id}-about`, invalid: problems.length > 0 };
  const items = listItems(schema, value);
  return (
    <div class="argument">
      <div class="about">
        <span class="name code">{name}</span>
        <span class="muted" id={`${id}-about`}>
          {argument
            ? [argument.description, inWords(schema)].filter(Boolean).join(" · ")
            : "this tool has no such argument"}
          {problems.map((one) => (
            <span class="problem"> {countedFromOne(one.message)}</span>
          ))}
        </span>
        {!argument?.required && (
          <button type="button" class="quiet" aria-label={`Remove ${label}`} onClick={onRemove}>
            ×
          </button>
        )}
      </div>
      <SourceField {...field} sources={sources(draft, tools, at, schema)}>
        {items ? <ListField {...field} sources={sources(draft, tools, at, items)} /> : <Field {...field} />}
      </SourceField>
    </div>
  );
}
