"""A catalogue as the grammar of exactly its valid plans, in parametric Lark for llguidance.

The rules have a 64-bit parameter, with one field for each step: the class of its output. Outputs that fit the same
arguments by the same paths are one class. `$$PREV[s]` is allowed only where field s holds a class that fits. A tool
whose required argument has no literals is allowed only after a step whose output fits it, so no prefix of a plan is a
dead end. Arguments come in catalogue order. The syntax is that of github.com/guidance-ai/llguidance,
docs/parametric.md.

A tool with a required argument that can have no value is left out.

Such a grammar cannot check equal elements of a `uniqueItems` array, equal keys, or which markers a request has:
`platypus.decoding.constraint` does. An index in a reference has at most three digits, and a field name that no schema
declares is ASCII.
"""

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from platypus.catalogue.schema import Schema, array_items, fits, part, variants
from platypus.catalogue.tools import Argument, Catalogue, Tool
from platypus.decoding.grammar.literals import Literals, Rules, conjunction, disjunction, meaning, quoted
from platypus.errors import CatalogueError
from platypus.plan.notation import Notation, print_name

PARAMETER_BITS = 64
LISTED = 5  # places that an error names
SECONDS = 60.0  # time limit for writing a grammar; real catalogues take well under one second

_FIELD = re.compile(r"[\w$-]+(?: [\w$-]+)*")
_ANY_FIELD = r"[A-Za-z0-9_$-]+( [A-Za-z0-9_$-]+)*"
_NAMED_FIELD = r"[A-Za-z_$-][A-Za-z0-9_$-]*( [A-Za-z0-9_$-]+)*"
_INDEX = r"\.(0|[1-9][0-9]{0,2})"


@dataclass(frozen=True)
class Grammar:
    """The Lark text, and what its parameter holds: the number of steps, of output classes, and of bits per step."""

    lark: str
    steps: int
    classes: int
    bits: int


class _Part(NamedTuple):
    """A part of an output: a regular expression for the paths that lead to it, and its schema."""

    path: str
    schema: Schema


class _Marks(NamedTuple):
    """The punctuation of a notation around the parts of a plan."""

    begin: str
    end: str
    between: str
    tool: str
    close_tool: str
    argument: str
    close_argument: str
    reference: str


_MARKS: Mapping[Notation, _Marks] = {
    "json": _Marks(
        *("[", "]", ", "),
        *('{{"tool_name": {tool}, "arguments": [', "]}"),
        *('{{"argument_name": {argument}, "argument_value": ', "}", r'"\$\$PREV\[{step}\]({path})"'),
    ),
    "calls": _Marks("", "", "\n", "{tool}(", ")", "{argument}=", "", r"\${step}({path})"),
}


def plan_grammar(
    catalogue: Catalogue,
    notation: Notation,
    *,
    max_steps: int,
    lead: str = "",
    markers: bool = False,
    empty: bool = True,
    seconds: float = SECONDS,
) -> Grammar:
    """The grammar of the catalogue's valid plans of up to `max_steps` steps; `lead` is text before every plan.

    With `markers`, a marker may stand in place of text; which markers a request has, the grammar does not know. Whether
    the empty plan is one of them is said by `empty`.

    Raises CatalogueError if the parameter cannot hold so many steps, no tool can be called, or writing the grammar
    takes longer than `seconds`.
    """
    deadline = time.monotonic() + seconds
    return _Builder(catalogue, notation, max_steps, lead, deadline, markers=markers, empty=empty).grammar()


class _Builder:
    def __init__(
        self,
        catalogue: Catalogue,
        notation: Notation,
        max_steps: int,
        lead: str,
        deadline: float,
        *,
        markers: bool,
        empty: bool,
    ) -> None:
        self.catalogue, self.notation, self.steps, self.lead = catalogue, notation, max_steps, lead
        self.deadline, self.empty = deadline, empty
        self.without_value: list[str] = []  # required arguments to which none can be given, by name
        self.marks = _MARKS[notation]
        self.rules = Rules()
        self.literals = Literals(self.rules, markers=markers)
        self._fits: dict[tuple[str, str], bool] = {}
        self._references: dict[str, str | None] = {}
        self._available: dict[str, str | None] = {}

    def _keep_to_time(self, where: str) -> None:
        if time.monotonic() > self.deadline:
            raise CatalogueError(
                "the grammar of its plans takes too long to write",
                where=where,
                remedy="Show each request fewer tools (`max_tools` under [decode]), simplify their schemas,"
                " or decode without a grammar (`--decoding free`).",
            )

    # ------------------------------------------------------------ outputs and their classes

    @cached_property
    def outputs(self) -> dict[str, list[_Part]]:
        """The distinct outputs, each with its parts."""
        by_key = {_key(tool.output): tool.output for tool in self.catalogue}
        return {key: list(_parts(output)) for key, output in by_key.items()}

    @cached_property
    def slots(self) -> dict[str, Schema]:
        """The distinct schemas that a reference may have to fit: of arguments and of array elements."""
        schemas = [argument.schema for tool in self.catalogue for argument in tool.arguments]
        return {_key(slot): slot for schema in schemas for slot in (schema, _elements(schema)) if slot is not None}

    @cached_property
    def paths(self) -> dict[str, dict[str, str]]:
        """Output → slot → a regular expression for the paths by which it fits; slots that do not fit are absent."""
        table: dict[str, dict[str, str]] = {}
        for output, parts in self.outputs.items():
            self._keep_to_time(f"{len(self.outputs)} kinds of output, one of {len(parts)} parts")
            keyed = [(path, _key(schema), schema) for path, schema in parts]
            table[output] = {}
            for slot, slot_schema in self.slots.items():
                fitting = [path for path, key, schema in keyed if self._does_fit(key, slot, schema, slot_schema)]
                if fitting:
                    table[output][slot] = "|".join(dict.fromkeys(fitting))
        return table

    @cached_property
    def classes(self) -> dict[str, int]:
        """Output → its class, from 1. Outputs with equal paths are one class; similar ones are neighbours."""
        kinds = sorted({json.dumps(self.paths[output], sort_keys=True) for output in self.outputs})
        code = {kind: number for number, kind in enumerate(kinds, start=1)}
        return {output: code[json.dumps(self.paths[output], sort_keys=True)] for output in self.outputs}

    @cached_property
    def bits(self) -> int:
        """The number of bits of a step's field. Raises CatalogueError if the parameter cannot hold all fields."""
        count = max(self.classes.values(), default=1)
        bits = count.bit_length()
        if bits * self.steps > PARAMETER_BITS:
            raise CatalogueError(
                f"plans of {self.steps} steps over {count} kinds of output need {bits * self.steps} bits of state;"
                f" a grammar has {PARAMETER_BITS}",
                remedy=f"Set `max_steps` under [decode] to {PARAMETER_BITS // bits} or less, or use fewer tools.",
            )
        return bits

    def _does_fit(self, key: str, slot: str, schema: Schema, slot_schema: Schema) -> bool:
        if (key, slot) not in self._fits:
            self._fits[key, slot] = fits(schema, slot_schema)
        return self._fits[key, slot]

    def _field(self, step: int) -> str:
        return f"[{step * self.bits}:{(step + 1) * self.bits}]"

    def _one_of(self, step: int, codes: Sequence[int]) -> str:
        """The condition that the step's class is one of `codes`."""
        field = self._field(step)
        runs: list[list[int]] = []
        for code in sorted(codes):
            if runs and runs[-1][-1] == code - 1:
                runs[-1].append(code)
            else:
                runs.append([code])
        return disjunction(
            [
                f"eq({field}, {run[0]})" if len(run) == 1 else f"and(ge({field}, {run[0]}), le({field}, {run[-1]}))"
                for run in runs
            ]
        )

    def _is_available(self, slot: str) -> str | None:
        """The condition that some earlier output fits the slot; None if no output ever does."""
        if slot not in self._available:
            self._available[slot] = self._availability(slot)
        return self._available[slot]

    def _availability(self, slot: str) -> str | None:
        codes = {self.classes[output] for output, table in self.paths.items() if slot in table}
        steps = range(self.steps - 1) if codes else ()
        return disjunction([self._one_of(step, sorted(codes)) for step in steps]) if steps else None

    # ------------------------------------------------------------ values

    def reference(self, slot: str) -> str | None:
        """The rule of the references that fit the slot; None if no output does."""
        if slot not in self._references:
            self._references[slot] = self._reference(slot)
        return self._references[slot]

    def _reference(self, slot: str) -> str | None:
        by_path: dict[str, set[int]] = {}
        for output, table in self.paths.items():
            if slot in table:
                by_path.setdefault(table[slot], set()).add(self.classes[output])
        alternatives = []
        for step in range(self.steps - 1):
            for path, codes in by_path.items():
                expression = self.marks.reference.format(step=step, path=path)
                terminal = self.rules.add("REFERENCE", f"/{expression}/")
                alternatives.append(f"{terminal} %if {self._one_of(step, sorted(codes))}")
        return self._counted("r", " | ".join(alternatives)) if alternatives else None

    def value(self, argument: Argument, where: str) -> "_Value | None":
        """The values that the argument may have; None if there are none."""
        schema, key = argument.schema, _key(argument.schema)
        items = _elements(schema)
        array = None if items is None else self._array(schema, items, where)
        plain = array is not None and [variant.get("type") for variant in variants(schema)] == ["array"]
        literal = None if plain else self.literals.rule(schema, where)
        reference = self.reference(key)
        choices = [choice for choice in (literal, array and array.rule, reference) if choice]
        if not choices:
            return None
        rule = self._rule("x", " | ".join(choices), choices)
        if literal is not None or (array is not None and array.needs is None):
            return _Value(rule, None)
        needs = [*([self._is_available(key)] if reference else []), *([array.needs] if array else [])]
        return _Value(rule, disjunction([condition for condition in needs if condition]))

    def _array(self, schema: Schema, items: Schema, where: str) -> "_Value | None":
        """An array whose elements are literals or references."""
        literal, reference = self.literals.rule(items, f"{where}[]"), self.reference(_key(items))
        if reference is None and schema.get("type") != "array":
            return None  # its literals are the only values
        available = None if literal or not reference else self._is_available(_key(items))
        elements = [choice for choice in (literal, reference) if choice]
        element = self._rule("e", " | ".join(elements), elements) if elements else None
        filled = self.literals.items(schema, element)
        if filled is None:
            return None
        if available is None:
            return _Value(self._rule("a", filled, [element] if element and element in filled else []), None)
        filled = self.literals.items({**schema, "minItems": max(1, schema.get("minItems", 0))}, element)
        body = f"{filled} %if {available}"
        empty = not schema.get("minItems")
        return _Value(self._counted("a", f'{body} | "[" "]"' if empty else body), None if empty else available)

    # ------------------------------------------------------------ tools and plans

    def tool(self, tool: Tool) -> str | None:
        """An alternative of the rule of a step: the call, and what may follow it. None if it can never be called."""
        marks, where = self.marks, f"tool {tool.name!r}"
        self._keep_to_time(where)
        first = rest = self._counted("c", f"{_text(marks.close_tool)} n{self.classes[_key(tool.output)]}::_")
        needs: list[str] = []
        for argument in reversed(tool.arguments):
            value = self.value(argument, f"{where}, argument {argument.name!r}")
            if value is None:
                if argument.required:
                    self.without_value.append(f"{where}, argument {argument.name!r}")
                    return None
                continue
            key = marks.argument.format(argument=self._name(argument.name))
            condition = "" if value.needs is None or argument.required else f" %if {value.needs}"
            needs += [value.needs] if value.needs is not None and argument.required else []
            body = f"{value.rule} {_text(marks.close_argument)} {rest}{condition}"
            skip = ("", "") if argument.required else (f" | {first}", f" | {rest}")
            first = self._counted("c", f"{_text(key)} {body}{skip[0]}")
            rest = self._counted("c", f"{_text(', ' + key)} {body}{skip[1]}")
        condition = f" %if {conjunction(needs)}" if needs else ""
        return f"{_text(marks.tool.format(tool=self._name(tool.name)))} {first}{condition}"

    def grammar(self) -> Grammar:
        """The whole grammar."""
        marks, last = self.marks, self._field(self.steps - 1)
        calls = [call for call in map(self.tool, self.catalogue) if call is not None]
        if not calls:
            listed = "; ".join(self.without_value[:LISTED]) + "; …" * (len(self.without_value) > LISTED)
            raise CatalogueError(
                f"no tool can be called: each has a required argument to which no value can be given ({listed})",
                remedy="Correct their schemas: no literal is allowed, and no tool's output fits.",
            )
        steps = "\n  | ".join(calls)
        refusal = ('"]" | ' if marks.begin else '"[]" | ') if self.empty else ""
        plans = f"{_text(marks.begin)} ({refusal}steps::0)"
        lines = ['%llguidance {"no_forcing": true}', f"start : {_text(self.lead)} plan", f"plan : {plans}"]
        lines += [f"steps::_ : {steps}"]
        lines += [f"more::_ : {_text(marks.end)} | {_text(marks.between)} steps::_ %if is_zeros({last})"]
        for code in sorted(set(self.classes.values())):
            written = (f"more::bit_or({code << (s * self.bits)}) %if {self._is_next(s)}" for s in range(self.steps))
            lines.append(f"n{code}::_ : {' | '.join(written)}")
        lark = "\n".join([*lines, self.rules.lark()])
        return Grammar(lark, self.steps, max(self.classes.values(), default=1), self.bits)

    def _rule(self, kind: str, body: str, symbols: Sequence[str]) -> str:
        """A rule, with a parameter if one of the symbols in its body has one."""
        counted = any(symbol.endswith("::_") for symbol in symbols)
        return self._counted(kind, body) if counted else self.rules.add(kind, body)

    def _counted(self, kind: str, body: str) -> str:
        return f"{self.rules.add(kind, body, counted=True)}::_"

    def _is_next(self, step: int) -> str:
        """The condition that this step is the next one to write."""
        empty = f"is_zeros({self._field(step)})"
        return f"and(not(is_zeros({self._field(step - 1)})), {empty})" if step else empty

    def _name(self, name: str) -> str:
        return json.dumps(name, ensure_ascii=False) if self.notation == "json" else print_name(name)


class _Value(NamedTuple):
    """The rule of a value, and the condition that it needs to have any text (None: no condition)."""

    rule: str
    needs: str | None


def _text(text: str) -> str:
    return quoted(text) if text else ""


def _key(schema: Schema) -> str:
    return json.dumps(meaning(schema), sort_keys=True)


def _elements(schema: Schema) -> Schema | None:
    """The schema that a reference must fit as an array's element; None where plans allow no such reference."""
    return None if {"anyOf", "oneOf", "enum", "const"} & schema.keys() else array_items(schema)


def _parts(output: Schema, path: str = "") -> Iterator[_Part]:
    """The output and all its parts, as `platypus.catalogue.schema.part` resolves them."""
    kinds = list(variants(output))
    if kinds[0].get("type") is None:
        yield _Part(rf"{path}(\.{_ANY_FIELD})*", {})
        return
    yield _Part(path, output)
    names = dict.fromkeys(name for kind in kinds for name in kind.get("properties", {}))
    for name in names:
        inner = part(output, (name,))
        if inner is not None and _FIELD.fullmatch(name):
            yield from _parts(inner, rf"{path}\.{re.escape(name)}")
    element = part(output, ("0",))
    if element is not None and any(kind.get("type") == "array" for kind in kinds):
        yield from _parts(element, path + _INDEX)
    if not names and part(output, ("a",)) == {}:
        yield _Part(rf"{path}\.{_NAMED_FIELD}(\.{_ANY_FIELD})*", {})
