// A form field for a value, drawn from its schema. Whether the value is right is for the server to say.

import { useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import type { Source, Value } from "./draft";
import { isNumber, isObject, parseJson, type Json } from "./exact";
import { readReference, referenceInWords, text as jsonText, writeReference } from "./plan";
import { arrayItems, inWords, variants, type Schema } from "./schema";

export interface FieldProps {
  id: string;
  label: string;
  schema: Schema;
  value: Value;
  onChange: (value: Value) => void;
  describedBy?: string | undefined;
  invalid?: boolean;
}

type Input = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement;
const aria = ({ id, label, describedBy, invalid }: FieldProps) => ({
  id,
  "aria-label": label,
  "aria-describedby": describedBy,
  "aria-invalid": invalid,
});

/** A field for a literal value of this schema. */
export function Field(props: FieldProps) {
  const kinds = variants(props.schema);
  if (kinds.length > 1) return <KindField {...props} kinds={kinds} />;
  const schema = kinds[0]!;
  const one = { ...props, schema };
  if ("const" in schema) return <ChoiceField {...one} choices={[schema.const!]} />;
  if (Array.isArray(schema.enum)) return <ChoiceField {...one} choices={schema.enum} />;
  if (schema.type === "boolean") return <ChoiceField {...one} choices={[true, false]} />;
  if (schema.type === "null") return <ChoiceField {...one} choices={[null]} />;
  if (schema.type === "integer" || schema.type === "number") return <NumberField {...one} />;
  if (schema.type === "string") return <TextField {...one} />;
  if (schema.type === "array" && arrayItems(schema) && isListOrMissing(props.value))
    return <ListField {...one} sources={[]} />;
  if (schema.type === "object" && isObject(schema.properties) && isClosed(schema, props.value))
    return <ObjectField {...one} />;
  return <FreeField {...one} />;
}

const isListOrMissing = (value: Value) => value === undefined || Array.isArray(value);

function isClosed(schema: Schema, value: Value): boolean {
  const known = schema.properties as Schema;
  const open = schema.additionalProperties;
  return (
    !open &&
    Object.keys(known).length > 0 &&
    (value === undefined || (isObject(value) && Object.keys(value).every((key) => key in known)))
  );
}

function ChoiceField({ choices, ...props }: FieldProps & { choices: Json[] }) {
  const at = props.value === undefined ? -1 : choices.findIndex((one) => jsonText(one) === jsonText(props.value!));
  const other = at < 0 && props.value !== undefined;
  const choose = (event: Event) => {
    const chosen = (event.currentTarget as Input).value;
    props.onChange(chosen === "" ? undefined : choices[Number(chosen)]);
  };
  return (
    <select {...aria(props)} value={other ? "other" : at < 0 ? "" : String(at)} onChange={choose}>
      {at < 0 && <option value="">choose …</option>}
      {other && <option value="other">{jsonText(props.value!)}</option>}
      {choices.map((one, i) => (
        <option value={String(i)}>{typeof one === "string" ? one : jsonText(one)}</option>
      ))}
    </select>
  );
}

const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

function NumberField(props: FieldProps) {
  const [typed, setTyped] = useState(isNumber(props.value) ? jsonText(props.value) : String(props.value ?? ""));
  const change = (event: Event) => {
    const now = (event.currentTarget as Input).value;
    setTyped(now);
    const number = now.trim();
    props.onChange(number === "" ? undefined : NUMBER.test(number) ? parseJson(number) : number);
  };
  return <input {...aria(props)} type="text" inputMode="decimal" class="short" value={typed} onInput={change} />;
}

function TextField(props: FieldProps) {
  const { value, onChange, schema } = props;
  const shown = value === undefined ? "" : typeof value === "string" ? value : jsonText(value);
  const examples = Array.isArray(schema.examples) ? schema.examples.filter((one) => typeof one === "string") : [];
  return (
    <textarea
      {...aria(props)}
      rows={Math.min(8, shown.split("\n").length)}
      spellcheck={false}
      placeholder={examples.length ? `for example ${examples[0]}` : undefined}
      value={shown}
      onInput={(event) => onChange((event.currentTarget as Input).value)}
    />
  );
}

/** Anything: JSON if it reads as JSON, else text. */
function FreeField(props: FieldProps) {
  const { value } = props;
  const [typed, setTyped] = useState(
    value === undefined ? "" : typeof value === "string" && asJson(value) === value ? value : jsonText(value),
  );
  const change = (event: Event) => {
    const now = (event.currentTarget as Input).value;
    setTyped(now);
    props.onChange(now.trim() === "" ? undefined : asJson(now));
  };
  return (
    <textarea
      {...aria(props)}
      class="code"
      rows={Math.min(12, typed.split("\n").length)}
      spellcheck={false}
      placeholder="text, or JSON: 5, true, [ … ], { … }"
      value={typed}
      onInput={change}
    />
  );
}

function asJson(typed: string): Json {
  try {
    return parseJson(typed);
  } catch {
    return typed;
  }
}

function KindField({ kinds, ...props }: FieldProps & { kinds: Schema[] }) {
  const [kind, setKind] = useState(() =>
    Math.max(
      0,
      kinds.findIndex((one) => props.value !== undefined && isOf(one, props.value)),
    ),
  );
  const choose = (event: Event) => {
    setKind(Number((event.currentTarget as Input).value));
    props.onChange(undefined);
  };
  return (
    <div class="kind">
      <select aria-label={`Kind of ${props.label}`} value={String(kind)} onChange={choose}>
        {kinds.map((one, i) => (
          <option value={String(i)}>{inWords(one)}</option>
        ))}
      </select>
      <Field key={kind} {...props} schema={kinds[kind] ?? {}} />
    </div>
  );
}

function isOf(schema: Schema, value: Json): boolean {
  if ("const" in schema) return jsonText(schema.const!) === jsonText(value);
  if (Array.isArray(schema.enum)) return schema.enum.some((one) => jsonText(one) === jsonText(value));
  if (isNumber(value))
    return schema.type === "number" || (schema.type === "integer" && /^-?\d+$/.test(jsonText(value)));
  if (Array.isArray(value)) return schema.type === "array";
  return schema.type === (value === null ? "null" : typeof value);
}

/** A list of values. With `sources`, an element may also be the output of an earlier step. */
export function ListField({ sources, ...props }: FieldProps & { sources: Source[] }) {
  const items = arrayItems(props.schema) ?? {};
  const elements: Value[] = Array.isArray(props.value) ? props.value : [];
  const [keys, setKeys] = useState(() => elements.map((_, i) => i));
  const change = (at: number, value: Value) =>
    props.onChange(elements.map((one, i) => (i === at ? value : one)) as Value);
  const remove = (at: number) => {
    setKeys(keys.toSpliced(at, 1));
    props.onChange(elements.toSpliced(at, 1) as Value);
    document.getElementById(`${props.id}-add`)?.focus();
  };
  const add = () => {
    setKeys([...keys, Math.max(-1, ...keys) + 1]);
    props.onChange([...elements, undefined] as Value);
  };
  const entries = elements.map((element, i) => {
    const label = `${props.label}, value ${i + 1}`;
    const one = {
      id: `${props.id}-${i}`,
      label,
      schema: items,
      value: element,
      onChange: (value: Value) => change(i, value),
    };
    const field = (
      <SourceField {...one} sources={sources}>
        <Field {...one} invalid={props.invalid ?? false} />
      </SourceField>
    );
    return { key: keys[i] ?? i, label, field, onRemove: () => remove(i) };
  });
  return (
    <Group {...props} entries={entries}>
      <button
        type="button"
        class="quiet"
        id={`${props.id}-add`}
        aria-label={`Add a value to ${props.label}`}
        onClick={add}
      >
        + value
      </button>
    </Group>
  );
}

function ObjectField(props: FieldProps) {
  const properties = props.schema.properties as { [name: string]: Schema };
  const required = (props.schema.required ?? []) as string[];
  const object: { [name: string]: Value } = isObject(props.value)
    ? props.value
    : Object.fromEntries(required.map((name) => [name, undefined]));
  const change = (changed: { [name: string]: Value }) => props.onChange(changed as Value);
  const rest = Object.keys(properties).filter((name) => !(name in object));
  const entries = Object.keys(object).map((name) => {
    const label = `${props.label}, ${name}`;
    const field = (
      <Field
        id={`${props.id}-${name}`}
        label={label}
        schema={properties[name] ?? {}}
        value={object[name]}
        onChange={(value) => change({ ...object, [name]: value })}
      />
    );
    const remove = () => change(Object.fromEntries(Object.entries(object).filter(([other]) => other !== name)));
    return { key: name, name, label, field, ...(required.includes(name) ? {} : { onRemove: remove }) };
  });
  return (
    <Group {...props} entries={entries}>
      <AddSelect
        label={`Add to ${props.label}`}
        names={rest}
        onAdd={(name) => change({ ...object, [name]: undefined })}
      />
    </Group>
  );
}

interface Entry {
  key: string | number;
  label: string;
  name?: string;
  field: ComponentChildren;
  onRemove?: () => void;
}

/** Values under one label, each with a button if it may be removed; the child adds one. */
function Group({ entries, children, ...props }: FieldProps & { entries: Entry[]; children: ComponentChildren }) {
  return (
    <div
      class="group"
      role="group"
      id={props.id}
      tabIndex={-1}
      aria-label={props.label}
      aria-describedby={props.describedBy}
    >
      {entries.map(({ key, label, name, field, onRemove }) => (
        <div class="entry" key={key}>
          {name && <span class="name">{name}</span>}
          {field}
          {onRemove && (
            <button type="button" class="quiet" aria-label={`Remove ${label}`} onClick={onRemove}>
              ×
            </button>
          )}
        </div>
      ))}
      {children}
    </div>
  );
}

/** "+ argument": a choice of names that are not given yet; nothing if all are. */
export function AddSelect({ label, names, onAdd }: { label: string; names: string[]; onAdd: (name: string) => void }) {
  if (!names.length) return null;
  const choose = (event: Event) => {
    const select = event.currentTarget as HTMLSelectElement;
    if (select.value) onAdd(select.value);
    select.value = "";
  };
  return (
    <select class="add" aria-label={label} value="" onChange={choose}>
      <option value="">+ {label.startsWith("Add an") ? "argument" : "field"} …</option>
      {names.map((name) => (
        <option value={name}>{name}</option>
      ))}
    </select>
  );
}

/** Chooses between a value, whose field is the child, and the outputs of earlier steps that fit. */
export function SourceField({
  sources,
  children,
  ...props
}: FieldProps & { sources: Source[]; children: ComponentChildren }) {
  const reference = readReference(props.value);
  if (!sources.length && !reference) return <>{children}</>;
  const chosen =
    reference &&
    (sources.find((one) => one.step === reference.step && jsonText(one.path) === jsonText(reference.path)) ??
      sources.find(
        (one) => one.step === reference.step && one.open && one.path.every((name, i) => name === reference.path[i]),
      ));
  const choose = (event: Event) => {
    const choice = (event.currentTarget as Input).value;
    if (choice !== "other") props.onChange(choice === "" ? undefined : writeReference(sources[Number(choice)]!));
  };
  return (
    <div class="source">
      <select
        aria-label={`Where ${props.label} comes from`}
        value={reference ? (chosen ? String(sources.indexOf(chosen)) : "other") : ""}
        onChange={choose}
      >
        <option value="">a value</option>
        {reference && !chosen && <option value="other">{referenceInWords(reference)}</option>}
        {sources.map((one, i) => (
          <option value={String(i)}>{["output of", referenceInWords(one), "·", one.tool].join(" ")}</option>
        ))}
      </select>
      {!reference && children}
      {reference && chosen?.open && (
        <PathField {...props} path={reference.path.slice(chosen.path.length)} start={chosen} />
      )}
    </div>
  );
}

/** The field of an output that nobody described. */
function PathField({ path, start, ...props }: FieldProps & { path: string[]; start: Source }) {
  const [typed, setTyped] = useState(path.join("."));
  const [wrong, setWrong] = useState(false);
  const change = (event: Event) => {
    const now = (event.currentTarget as Input).value;
    const written = writeReference({ step: start.step, path: [...start.path, ...(now ? now.split(".") : [])] });
    setTyped(now);
    setWrong(!readReference(written));
    if (readReference(written)) props.onChange(written);
  };
  return (
    <input
      type="text"
      class="short code"
      aria-label={`Field of the output for ${props.label}`}
      aria-invalid={wrong}
      placeholder="field, if not all of it"
      value={typed}
      onInput={change}
    />
  );
}
