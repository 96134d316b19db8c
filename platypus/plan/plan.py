"""Reference, Step, Plan, Malformed: strict JSON in and out, and validity.

A `Plan` whose steps refer to themselves or to later steps cannot exist. A plan that was read with a catalogue is also
valid for that catalogue. Anything else becomes `Malformed`, a value that lists every problem with its place. Knows only
the JSON form; other notations are in `platypus.plan.notation`.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Union

from platypus.catalogue.schema import Schema, array_items, fits, literal_problem, part, takes_any_text
from platypus.catalogue.tools import Argument, Catalogue, Tool
from platypus.errors import PlanError
from platypus.strict_json import strict_json

REFERENCE = re.compile(r"\$\$PREV\[(0|[1-9][0-9]{0,5})\]((?:\.[\w$-]+(?: [\w$-]+)*)*)")
MARK = "$$PREV["
MAX_DEPTH = 32

Value = Union[None, bool, int, float, str, "Reference", list["Value"], dict[str, "Value"]]


@dataclass(frozen=True)
class Reference:
    """The output of step `step` (from 0), or a part of it: `$$PREV[0].field.0`."""

    step: int
    path: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "".join([f"$$PREV[{self.step}]", *(f".{name}" for name in self.path)])


@dataclass(frozen=True)
class Problem:
    """One reason why something is not a valid plan: its kind, what is wrong, and where.

    Words count steps from 1, as plans are shown: `$$PREV[0]` is the output of step 1.
    """

    kind: str
    what: str
    where: str = ""
    position: int | None = None

    def __str__(self) -> str:
        place = self.where or (f"character {self.position}" if self.position is not None else "")
        return f"{place}: {self.what}" if place else self.what


@dataclass(frozen=True)
class Malformed:
    """An answer or a row that is not a valid plan: its text, and every problem."""

    text: str
    problems: tuple[Problem, ...]

    @property
    def reason(self) -> str:
        """The first problem, in words."""
        return str(self.problems[0])


@dataclass(frozen=True, eq=False)
class Step:
    """One call: a tool and its arguments, in the order written."""

    tool: str
    arguments: dict[str, Value] = field(default_factory=dict)

    def references(self) -> Iterator[Reference]:
        """The references in the arguments, in order."""
        for value in self.arguments.values():
            yield from (part for part in (value if isinstance(value, list) else [value]) if isinstance(part, Reference))

    def to_json(self) -> dict[str, Any]:
        """The canonical form, references as `$$PREV[…]` strings."""
        arguments = [{"argument_name": n, "argument_value": value_to_json(v)} for n, v in self.arguments.items()]
        return {"tool_name": self.tool, "arguments": arguments}

    def renumbered(self, index: Callable[[int], int]) -> "Step":
        """The same step, referring to step `index(i)` instead of i."""

        def moved(value: Value) -> Value:
            if isinstance(value, list):
                return [moved(element) for element in value]
            return Reference(index(value.step), value.path) if isinstance(value, Reference) else value

        return Step(self.tool, {name: moved(value) for name, value in self.arguments.items()})


@dataclass(frozen=True, eq=False)
class Plan:
    """Calls in order; each may use the output of earlier ones. `Plan()` means that the tools cannot fulfil the request.

    Raises PlanError if a step refers to itself or to a later step, or has a value that no plan may contain.
    """

    steps: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        problems = _structural_problems(self.steps)
        if problems:
            raise PlanError(str(problems[0]), remedy="A step may refer to earlier steps only; $$PREV[0] is the first.")

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __str__(self) -> str:
        return json.dumps(self.to_json(), ensure_ascii=False)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plan) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def to_json(self) -> list[dict[str, Any]]:
        """The canonical form: a list of `{"tool_name", "arguments": [{"argument_name", "argument_value"}]}`."""
        return [step.to_json() for step in self.steps]

    def dependencies(self) -> tuple[frozenset[int], ...]:
        """For each step, the earlier steps whose output it uses."""
        return tuple(frozenset(reference.step for reference in step.references()) for step in self.steps)

    def problems(self, catalogue: Catalogue) -> tuple[Problem, ...]:
        """Everything that makes this plan invalid for the catalogue; empty if it is valid."""
        return tuple(_catalogue_problems(self.steps, catalogue, frozenset()))

    def with_texts(self, catalogue: Catalogue, change: Callable[[str], str]) -> "Plan":
        """The plan with `change(text)` for each text that stands where a schema allows any text."""
        return Plan(tuple(_with_texts(step, catalogue.tool(step.tool), change) for step in self.steps))

    def ordered(self, catalogue: Catalogue) -> "Plan":
        """The same plan with every step's arguments in catalogue order."""
        return Plan(tuple(_ordered(step, catalogue.tool(step.tool)) for step in self.steps))


def _with_texts(step: Step, tool: Tool | None, change: Callable[[str], str]) -> Step:
    schemas = {argument.name: argument.schema for argument in tool.arguments} if tool else {}

    def changed(value: Value, schema: Schema) -> Value:
        match value:
            case str() if takes_any_text(schema):
                return change(value)
            case list():
                return [changed(element, array_items(schema) or {}) for element in value]
            case dict():
                return {key: changed(element, part(schema, (key,)) or {}) for key, element in value.items()}
            case _:
                return value

    return Step(step.tool, {name: changed(value, schemas.get(name, {})) for name, value in step.arguments.items()})


def _ordered(step: Step, tool: Tool | None) -> Step:
    order = [argument.name for argument in tool.arguments if argument.name in step.arguments] if tool else []
    return Step(step.tool, {name: step.arguments[name] for name in dict.fromkeys((*order, *step.arguments))})


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        raise ValueError(f"key {next(key for key in keys if keys.count(key) > 1)!r} stands twice in one object")
    return dict(pairs)


def parse_json(text: str) -> Any:
    """The data in a text of strict JSON (no repeated key either); Malformed if it is anything else."""
    try:
        return strict_json(text, pairs=_no_duplicates)
    except json.JSONDecodeError as error:
        return Malformed(text, (Problem("json", f"not JSON: {error.msg}", position=error.pos),))
    except (ValueError, RecursionError) as error:  # a number with too many digits, or nested too deeply
        return Malformed(text, (Problem("json", f"not JSON: {error}"),))


def parse_plan(text: str, catalogue: Catalogue | None = None) -> Plan | Malformed:
    """The plan in a JSON text; with a catalogue, checked against it. Never raises."""
    data = parse_json(text)
    return data if isinstance(data, Malformed) else plan_from_json(data, catalogue, text=text)


def plan_from_json(data: Any, catalogue: Catalogue | None = None, *, text: str | None = None) -> Plan | Malformed:
    """The plan in decoded JSON; with a catalogue, checked against it. Never raises."""
    source = repr(data) if text is None else text
    try:
        steps = _read_steps(data)
    except _Unreadable as error:
        return Malformed(source, error.problems)
    return checked_plan(steps, catalogue, text=source)


class _Unreadable(Exception):
    def __init__(self, what: str, where: str = "", problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(what)
        self.problems = problems or (Problem("structure", what, where),)


def checked_plan(steps: Sequence[Step], catalogue: Catalogue | None, *, text: str) -> Plan | Malformed:
    """The steps as a Plan, checked against the catalogue if there is one; Malformed with `text` if they are invalid."""
    problems = _structural_problems(steps)
    if catalogue is not None:
        problems += tuple(_catalogue_problems(steps, catalogue, frozenset(problem.where for problem in problems)))
    return Malformed(text, problems) if problems else Plan(tuple(steps))


def _read_steps(data: Any) -> list[Step]:
    if not isinstance(data, list):
        raise _Unreadable(f"a plan is a list of steps, not {type(data).__name__}")
    steps: list[Step] = []
    problems: list[Problem] = []
    for i, entry in enumerate(data, start=1):
        try:
            steps.append(_read_step(entry, f"step {i}"))
        except _Unreadable as error:
            problems += error.problems
    if problems:
        raise _Unreadable("not all steps can be read", problems=tuple(problems))
    return steps


def _read_step(entry: Any, where: str) -> Step:
    if not isinstance(entry, dict) or entry.keys() != {"tool_name", "arguments"}:
        raise _Unreadable('a step is {"tool_name": …, "arguments": […]}', where)
    if not isinstance(entry["tool_name"], str) or not isinstance(entry["arguments"], list):
        raise _Unreadable("`tool_name` must be text and `arguments` a list", where)
    arguments: dict[str, Value] = {}
    for argument in entry["arguments"]:
        if not isinstance(argument, dict) or argument.keys() != {"argument_name", "argument_value"}:
            raise _Unreadable('an argument is {"argument_name": …, "argument_value": …}', where)
        name = argument["argument_name"]
        if not isinstance(name, str) or name in arguments:
            raise _Unreadable(f"argument {name!r} is given twice" if isinstance(name, str) else "a name is text", where)
        arguments[name] = value_from_json(argument["argument_value"])
    return Step(entry["tool_name"], arguments)


def value_from_json(data: Any) -> Value:
    """The value, where each string that is exactly `$$PREV[…]`, alone or in a list, becomes a Reference."""
    if isinstance(data, list):
        return [_reference_or(element) for element in data]
    return _reference_or(data)


def _reference_or(data: Any) -> Value:
    match = REFERENCE.fullmatch(data) if isinstance(data, str) else None
    return Reference(int(match[1]), tuple(match[2].split(".")[1:])) if match else data


def value_to_json(value: Value) -> Any:
    """The inverse of `value_from_json`."""
    if isinstance(value, list):
        return [str(element) if isinstance(element, Reference) else element for element in value]
    return str(value) if isinstance(value, Reference) else value


def _structural_problems(steps: Sequence[Step]) -> tuple[Problem, ...]:
    return tuple(
        problem
        for i, step in enumerate(steps)
        for name, value in ((None, step.tool), *step.arguments.items())
        for problem in _value_problems(value, i, f"step {i + 1}" if name is None else _place(i, step, name))
    )


def _place(number: int, step: Step, argument: str) -> str:
    return f"step {number + 1} ({step.tool}), argument {argument!r}"


def _catalogue_problems(steps: Sequence[Step], catalogue: Catalogue, known: frozenset[str]) -> Iterator[Problem]:
    """What makes steps invalid for the catalogue. At the places `known` something is wrong with any catalogue."""
    outputs: list[Schema] = []
    for i, step in enumerate(steps):
        tool = catalogue.tool(step.tool)
        if tool is None:
            yield Problem("unknown-tool", f"no tool is named {step.tool!r}", f"step {i + 1}")
        else:
            yield from _step_problems(step, tool, outputs, i, known)
        outputs.append(tool.output if tool else {})


def _value_problems(value: Any, step: int, where: str) -> Iterator[Problem]:
    for element in value if isinstance(value, list) else [value]:
        if isinstance(element, Reference):
            if element.step >= step:
                what = "its own output" if element.step == step else "no earlier step"
                yield Problem("reference", f"{element} refers to {what}", where)
            elif not REFERENCE.fullmatch(str(element)) or any("." in name for name in element.path):
                yield Problem("reference", f"{element} has a field name that cannot be written", where)
        else:
            yield from (Problem("value", what, where) for what in _literal_faults(element, 1))


def _literal_faults(value: Any, depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH:
        yield f"nested deeper than {MAX_DEPTH}"
    elif isinstance(value, str):
        if MARK in value:
            yield f"{value[:80]!r} merely contains a reference; a reference is a whole value or list element"
        if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            yield "holds half of a surrogate pair, which is not text"
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield f"{value} is not a JSON number"
    elif isinstance(value, list):
        for element in value:
            yield from _literal_faults(element, depth + 1)
    elif isinstance(value, dict):
        for key, element in value.items():
            yield from _literal_faults(key, depth + 1)
            yield from _literal_faults(element, depth + 1)
    elif not (value is None or isinstance(value, int)):
        yield f"{type(value).__name__} cannot stand in a plan"


def _step_problems(
    step: Step, tool: Tool, outputs: Sequence[Schema], number: int, known: frozenset[str]
) -> Iterator[Problem]:
    where = f"step {number + 1} ({step.tool})"
    for needed in tool.arguments:
        if needed.required and needed.name not in step.arguments:
            yield Problem("missing-argument", f"argument {needed.name!r} is required", where)
    for name, value in step.arguments.items():
        argument, place = tool.argument(name), _place(number, step, name)
        if argument is None:
            yield Problem("unknown-argument", f"the tool has no argument {name!r}", where)
        elif place not in known:
            yield from _argument_problems(value, argument, outputs, place)


def _argument_problems(value: Value, argument: Argument, outputs: Sequence[Schema], where: str) -> Iterator[Problem]:
    if isinstance(value, Reference):
        yield from _fit_problems(value, argument.schema, outputs, where)
        return
    items = array_items(argument.schema)
    if items is None and isinstance(value, list) and any(isinstance(v, Reference) for v in value):
        yield Problem("reference", "no element of this argument may be a reference", where)
        return
    if not isinstance(value, list) or items is None or not any(isinstance(v, Reference) for v in value):
        fault = literal_problem(argument.schema, value_to_json(value))
        if fault:
            yield Problem("value", fault, where)
        return
    for element in value:
        if isinstance(element, Reference):
            yield from _fit_problems(element, items, outputs, where)
    limits = {**argument.schema, "items": {}}  # literals are checked separately, since a reference has no value yet
    fault = literal_problem(limits, value_to_json(value))
    faults = [fault, *(literal_problem(items, v) for v in value if not isinstance(v, Reference))]
    yield from (Problem("value", what, where) for what in faults if what)


def _fit_problems(reference: Reference, argument: Schema, outputs: Sequence[Schema], where: str) -> Iterator[Problem]:
    output = part(outputs[reference.step], reference.path)
    if output is None:
        yield Problem("reference", f"step {reference.step + 1} returns no {'.'.join(reference.path)!r}", where)
    elif not fits(output, argument):
        yield Problem("reference", f"the output of {reference} does not fit this argument", where)
