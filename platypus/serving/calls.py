"""Calls: which steps of a plan a client is to run now, given the calls that it has run already.

A client runs calls and sends their results; the same request then has the same plan, and the steps that are done are
found in it by tool and arguments. References to their outputs become the values of the results. So the server keeps
nothing between two requests. A reference to a step that is still to be run stays `$$PREV[i]`, where i counts the calls
of this answer; or, with `references` "none", its step waits until the results are there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from platypus.catalogue.schema import Schema, array_items, literal_problem
from platypus.catalogue.tools import Catalogue
from platypus.plan.lenient_json import read_loosely
from platypus.plan.plan import Malformed, Reference, Step, Value, value_from_json, value_to_json
from platypus.strict_json import strict_json

References = Literal["keep", "none"]
LOOSE = 65_536  # characters of a result that are read loosely, which takes a tenth of a second


@dataclass(frozen=True)
class Call:
    """A call to be run: its tool and arguments, and which step of the plan it is."""

    tool: str
    arguments: dict[str, Any]
    step: int


@dataclass(frozen=True)
class Earlier:
    """A call that was run: as it was sent, and the text of its result.

    `batch` are the calls of the same answer, to which its references refer; it counts from 0.
    """

    tool: str
    arguments: dict[str, Any]
    result: str
    batch: int = 0


class _Missing(Exception):
    """A result lacks what a step needs of it."""


@dataclass
class Calls:
    """The steps of one plan as calls. `one` gives at most one call.

    `stopped` says why no step after some call can be run: its result lacks what they need.
    """

    catalogue: Catalogue
    earlier: Sequence[Earlier] = ()
    references: References = "keep"
    one: bool = False
    stopped: str = ""
    last: str = ""
    _results: dict[int, str] = field(default_factory=dict)
    _given: dict[int, int] = field(default_factory=dict)
    _open: list[int] = field(default_factory=list)
    _seen: int = 0

    def __post_init__(self) -> None:
        self._open = list(range(len(self.earlier)))

    @property
    def waiting(self) -> int:
        """The number of steps that are neither done nor given."""
        return self._seen - len(self._results) - len(self._given)

    @property
    def unmatched(self) -> int:
        """The number of earlier calls that are no step of this plan."""
        return len(self._open)

    def take(self, step: Step) -> Call | None:
        """The next step of the plan as a call; None if it is done or has to wait."""
        number, self._seen = self._seen, self._seen + 1
        needed = {reference.step for reference in step.references()}
        try:
            arguments = {name: self._filled(step.tool, name, value) for name, value in step.arguments.items()}
        except _Missing as error:
            self.stopped = self.stopped or str(error)
            return None
        if needed <= self._results.keys() and (place := self._match(step.tool, arguments)) is not None:
            self._open.remove(place)
            self._results[number] = self.last = self.earlier[place].result
            return None
        unresolved = needed - self._results.keys()
        if not unresolved <= self._given.keys() or (unresolved and self.references == "none"):
            return None
        if self.one and self._given:
            return None
        self._given[number] = len(self._given)
        return Call(step.tool, {name: value_to_json(value) for name, value in arguments.items()}, number)

    def _match(self, tool: str, arguments: dict[str, Any]) -> int | None:
        """The place of the first earlier call of this tool with these values."""
        for place in self._open:
            call = self.earlier[place]
            if call.tool == tool and _same(self._sent(call), arguments):
                return place
        return None

    def _sent(self, call: Earlier) -> dict[str, Any]:
        """The arguments of an earlier call, with the results of its batch in the place of references."""
        batch = [other for other in self.earlier if other.batch == call.batch]

        def value(name: str, element: Value, schema: Schema) -> Any:
            if not isinstance(element, Reference) or element.step >= len(batch):
                return element
            return _part(batch[element.step].result, element, schema)

        filled: dict[str, Any] = {}
        for name, given in call.arguments.items():
            try:
                filled[name] = self._each(call.tool, name, value_from_json(given), value)
            except _Missing:
                filled[name] = given
        return filled

    def _filled(self, tool: str, name: str, given: Value) -> Any:
        """An argument with the values of results that are there, and references to calls of this answer."""

        def value(name: str, element: Value, schema: Schema) -> Any:
            if not isinstance(element, Reference):
                return element
            if element.step in self._results:
                return _part(self._results[element.step], element, schema)
            return Reference(self._given.get(element.step, element.step), element.path)

        return self._each(tool, name, given, value)

    def _each(self, tool: str, name: str, given: Value, value: Any) -> Any:
        known = self.catalogue.tool(tool)
        argument = known.argument(name) if known else None
        schema: Schema = argument.schema if argument else {}
        if isinstance(given, list):
            items = array_items(schema) or {}
            return [value(name, element, items) for element in given]
        return value(name, given, schema)


def _data(result: str) -> Any:
    """The data of a result: JSON, or nearly so (agents send the `repr` of Python's lists), else its text."""
    try:
        return strict_json(result)
    except (ValueError, RecursionError):
        if len(result) > LOOSE or not result.lstrip().startswith(("[", "{")):
            return result
    data = read_loosely(result).data
    return result if isinstance(data, Malformed) else data


def _part(result: str, reference: Reference, schema: Schema) -> Any:
    """The part of a result that a reference names: of its data, or its text if it is no data.

    Of the text and the data of a whole result, the one is taken that the argument's schema allows.
    """
    data = _data(result)
    if not reference.path:
        return (
            result if data != result and literal_problem(schema, data) and not literal_problem(schema, result) else data
        )
    for name in reference.path:
        if isinstance(data, list) and name.isdecimal() and int(name) < len(data):
            data = data[int(name)]
        elif isinstance(data, dict) and name in data:
            data = data[name]
        else:
            raise _Missing(f"the result of step {reference.step + 1} has no {'.'.join(reference.path)!r}")
    return data


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two calls have the same values; the order of arguments does not matter."""
    return {name: str(value) if isinstance(value, Reference) else value for name, value in one.items()} == other
