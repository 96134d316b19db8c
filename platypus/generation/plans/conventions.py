"""Conventions: how a team writes its plans, where the tools allow more than one right plan. Learned from its own rows.

- *Looked up*: whether a name for an argument goes to a look-up first, and to which, or is given as it is said.
- *Implied*: whether a word of the request that is a value of an argument ("tasks") sets it.
- *Given*: which optional arguments of a tool are always or never given.

A share is that of the rows, drawn towards what the generator does without them: few rows say little. What the recipe
declares holds without rows.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from math import inf
from pathlib import Path
from random import Random
from typing import Literal, NamedTuple, TypeVar

from platypus.catalogue.dataflow import is_searched, producers
from platypus.catalogue.schema import allowed_values
from platypus.catalogue.tools import Argument, Catalogue, Tool
from platypus.catalogue.words import singular, words
from platypus.data.dataset import Example, Row
from platypus.errors import RecipeError
from platypus.plan.plan import Plan, Reference, Step, Value
from platypus.run.conventions_settings import ConventionsSettings

TEXT = "text"  # in place of a look-up: given as it is said
USUAL = 2.0  # rows as which the generator's own way counts
SURE = 5  # calls of a tool after which "always" and "never" are said
HABIT = 0.75  # share of the cases from which a way of doing it is a habit
SHOWN = 5  # rows of a habit that are listed

_NAME = re.compile(r"[^\W\d]+(?:[ '-][^\W\d]+)*")  # no id: it has no digits

Kind = Literal["looked up", "implied", "given"]
Way = TypeVar("Way", str, bool)
Place = tuple[str, str]  # a tool and its argument


class Habit(NamedTuple):
    """What is done with an argument in `held` of `seen` cases, and the rows that do otherwise.

    `mixed`: neither way is usual.
    """

    kind: Kind
    argument: str
    does: str
    held: int
    seen: int
    against: tuple[str, ...]
    mixed: bool = False

    def __str__(self) -> str:
        rows = ", ".join(self.against[:SHOWN]) + (" …" if len(self.against) > SHOWN else "")
        mixed = "both ways occur: " if self.mixed else ""
        return f"{self.argument}: {mixed}{self.does} in {self.held} of {self.seen}{f'; not in {rows}' if rows else ''}"


@dataclass(frozen=True)
class Conventions:
    """What rows do with each argument (`tool`, `argument`), as the places of the rows; and what is declared."""

    looked_up: Mapping[Place, Mapping[str, list[str]]] = field(default_factory=dict)
    implied: Mapping[Place, Mapping[bool, list[str]]] = field(default_factory=dict)
    given: Mapping[Place, Mapping[bool, list[str]]] = field(default_factory=dict)
    declared: ConventionsSettings = field(default_factory=ConventionsSettings)

    @classmethod
    def learn(cls, rows: Iterable[Row], catalogue: Catalogue, declared: ConventionsSettings) -> "Conventions":
        """What these rows do with the tools of the catalogue, for which their plans are valid; others say nothing."""
        found: tuple[dict[Place, dict[object, list[str]]], ...] = ({}, {}, {})
        can_be_looked_up: dict[Place, bool] = {}
        for row in rows:
            if not isinstance(row, Example) or row.tools is not None:
                continue  # its plan is for other tools, or it has none
            said = _said(row.query)
            for step in row.plan:
                tool = catalogue.tool(step.tool)
                assert tool is not None  # since the plan is valid
                for argument in tool.arguments:
                    value, place = step.arguments.get(argument.name), (tool.name, argument.name)
                    if place not in can_be_looked_up:
                        makers = producers(catalogue, tool, argument)
                        can_be_looked_up[place] = any(is_by_name(maker.tool) for maker in makers)
                    ways = (
                        _sources(value, row.plan, catalogue) if can_be_looked_up[place] else (),
                        () if argument.required else _sets(argument, value, said),
                        () if argument.required else (value is not None,),
                    )
                    for kind, way in zip(found, ways, strict=True):
                        for one in way:
                            kind.setdefault(place, {}).setdefault(one, []).append(_where(row))
        looked_up, implied, given = found
        return cls(looked_up, implied, given, declared)  # type: ignore[arg-type]

    def allows(self, tool: Tool, argument: Argument, producer: Tool) -> bool:
        """Whether the producer's output may fill the argument: where a look-up by name is declared, no other one."""
        declared = self.declared.looked_up.get(f"{tool.name}.{argument.name}")
        return declared in (None, TEXT, producer.name) or not is_by_name(producer)

    def looked_up_by(self, tool: Tool, argument: Argument) -> tuple[float, Mapping[str, int]]:
        """The share of names that are given as they are said, and how often names are looked up by which tool."""
        declared = self.declared.looked_up.get(f"{tool.name}.{argument.name}")
        if declared is not None:
            return (1.0, {}) if declared == TEXT else (0.0, {declared: 1})
        ways = {way: len(rows) for way, rows in self.looked_up.get((tool.name, argument.name), {}).items()}
        as_said = ways.pop(TEXT, 0)
        return as_said / (as_said + sum(ways.values()) + USUAL), ways

    def weight(self, tool: Tool, argument: Argument) -> float:
        """How much more often than usual the optional argument is given: 0 for never, infinity for always."""
        name = f"{tool.name}.{argument.name}"
        if name in self.declared.never or name in self.declared.always:
            return 0.0 if name in self.declared.never else inf
        ways = self.given.get((tool.name, argument.name))
        if not ways:
            return 1.0
        calls, optional = sum(map(len, ways.values())), max(1, sum(not a.required for a in tool.arguments))
        usual = min(1.0, 1.5 / optional)  # a call has about so many optional arguments
        return (len(ways.get(True, ())) + USUAL * usual) / (calls + USUAL) / usual

    def said_only(self, rng: Random, row: Example, catalogue: Catalogue) -> Example:
        """The row without arguments that its words imply, as often as the team leaves them out."""
        said, steps = _said(row.query), []
        for step in row.plan:
            tool = catalogue.tool(step.tool)
            left = {
                argument.name
                for argument in (tool.arguments if tool and len(step.arguments) > 1 else ())
                if not argument.required
                and f"{step.tool}.{argument.name}" not in self.declared.always
                and True in _sets(argument, step.arguments.get(argument.name), said)
                and (share := self._sets_implied(step.tool, argument.name)) < 1
                and rng.random() >= share
            }
            kept = {name: value for name, value in step.arguments.items() if name not in left}
            steps.append(Step(step.tool, kept))
        return row if (plan := Plan(tuple(steps))) == row.plan else replace(row, plan=plan)

    def _sets_implied(self, tool: str, argument: str) -> float:
        """How often a word that is a value of the argument sets it."""
        declared = self.declared.implied.get(f"{tool}.{argument}")
        if declared is not None:
            return float(declared)
        ways = self.implied.get((tool, argument), {})
        held, seen = len(ways.get(True, ())), sum(map(len, ways.values()))
        return (held + USUAL) / (seen + USUAL)

    def plain(self, query: str, plan: Plan, catalogue: Catalogue) -> Plan:
        """The plan apart from conventions: without look-ups by name, and without values that the query implies."""
        optional, said = {*map(".".join, self.implied), *self.declared.implied}, _said(query)
        names = [_searched(step, catalogue) for step in plan]
        gone = {i for used in plan.dependencies() for i in used if names[i] is not None}
        kept = [i for i in range(len(plan)) if i not in gone]

        def named(value: Value) -> Value:
            if isinstance(value, list):
                return [named(element) for element in value]
            if isinstance(value, Reference) and value.step in gone:
                return names[value.step]
            return Reference(kept.index(value.step), value.path) if isinstance(value, Reference) else value

        def is_implied(step: Step, name: str, value: Value) -> bool:
            tool = catalogue.tool(step.tool)
            argument = tool.argument(name) if tool and f"{step.tool}.{name}" in optional else None
            return argument is not None and True in _sets(argument, value, said)

        def without(step: Step) -> dict[str, Value]:
            return {name: value for name, value in step.arguments.items() if not is_implied(step, name, value)}

        steps = (plan.steps[i] for i in kept)
        return Plan(tuple(Step(step.tool, {k: named(v) for k, v in without(step).items()}) for step in steps))

    @property
    def stated(self) -> list[str]:
        """What is declared, and which habits rows show, in words."""
        told = self.declared.model_dump(exclude_defaults=True, exclude={"learn"})
        return [*(f"[conventions] {key} = {value}" for key, value in told.items()), *map(str, self.habits())]

    def habits(self) -> list[Habit]:
        """What is done in most cases, the surest first."""
        found = [*self._looking_up(), *self._implying(), *self._giving()]
        return sorted(found, key=lambda habit: (habit.kind, -habit.held / habit.seen, -habit.seen, habit.argument))

    def _looking_up(self) -> Iterator[Habit]:
        for place, ways in self.looked_up.items():
            for way, counted in _usual(ways):
                does = "names are given as they are said" if way == TEXT else f"names are looked up by {way}"
                yield Habit("looked up", ".".join(place), does, *counted)

    def _implying(self) -> Iterator[Habit]:
        for place, ways in self.implied.items():
            for sets, counted in _usual(ways):
                does = f"a value that is said in passing {'sets' if sets else 'does not set'} it"
                yield Habit("implied", ".".join(place), does, *counted)

    def _giving(self) -> Iterator[Habit]:
        for place, ways in self.given.items():
            for given, (held, seen, others, _) in _usual(ways):
                if seen >= SURE and not others:
                    yield Habit("given", ".".join(place), f"{'always' if given else 'never'} given", held, seen, ())


NO_HABITS = Conventions()


def searched_argument(tool: Tool) -> Argument | None:
    """The argument that says which thing is looked up, if the tool looks things up by their names."""
    return next(filter(is_searched, tool.arguments), None)


def is_by_name(tool: Tool) -> bool:
    """Whether the tool looks a thing up by its name."""
    return searched_argument(tool) is not None


def check_declared(declared: ConventionsSettings, catalogue: Catalogue) -> None:
    """Raises RecipeError for a name that is no such argument of the catalogue, or no tool that looks it up."""
    places = {f"{tool.name}.{argument.name}": (tool, argument) for tool in catalogue for argument in tool.arguments}
    optional = [name for name, (_, argument) in places.items() if not argument.required]
    look_ups = {
        name: [TEXT, *(p.tool.name for p in producers(catalogue, *places[name]) if is_by_name(p.tool))]
        for name in declared.looked_up.keys() & places.keys()
    }
    for kind, name, known in (
        *(("no argument of the catalogue", name, list(places)) for name in declared.looked_up),
        *(
            ("no optional argument of the catalogue", name, optional)
            for name in (*declared.implied, *declared.always, *declared.never)
        ),
        *(
            (f"no tool that looks up what {name} takes", declared.looked_up[name], known)
            for name, known in look_ups.items()
        ),
    ):
        if name not in known:
            near = get_close_matches(name, known, n=1)
            remedy = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(known[:SHOWN])} …"
            raise RecipeError(f"{name!r} is {kind}", where="[conventions]", remedy=remedy)


def _usual(ways: Mapping[Way, list[str]]) -> Iterator[tuple[Way, tuple[int, int, tuple[str, ...], bool]]]:
    """The way that most cases have: how many, of how many, the rows of the others, and whether these are many."""
    seen = sum(map(len, ways.values()))
    way = max(ways, key=lambda one: len(ways[one]))
    others = dict.fromkeys(row for other, rows in ways.items() if other != way for row in rows)
    if seen > 1:
        yield way, (len(ways[way]), seen, tuple(others), len(ways[way]) < HABIT * seen)


def _where(row: Example) -> str:
    """Where a row was read: `rows.jsonl:7`."""
    return f"{Path(str(row.origin.get('source', ''))).name}:{row.origin.get('line', '')}"


def _sources(value: Value, plan: Plan, catalogue: Catalogue) -> Iterator[str]:
    """For each name in a value, where it comes from: a look-up's tool, or TEXT. Ids are left out."""
    for part in value if isinstance(value, list) else [value]:
        if isinstance(part, Reference):
            tool = catalogue.tool(plan.steps[part.step].tool)
            if tool and is_by_name(tool):
                yield tool.name
        elif isinstance(part, str) and _NAME.fullmatch(part):
            yield TEXT


def _searched(step: Step, catalogue: Catalogue) -> str | None:
    """The name that a step looks up; None if it looks up none."""
    tool = catalogue.tool(step.tool)
    searched = searched_argument(tool) if tool else None
    value = step.arguments.get(searched.name) if searched else None
    return value if isinstance(value, str) else None


def _said(query: str) -> frozenset[str]:
    """The words of a request, in the singular."""
    return frozenset(singular(word) for word in words(query))


def _sets(argument: Argument, value: Value, said: frozenset[str]) -> Iterator[bool]:
    """Whether the argument has the one of its listed values that is said without its name; nothing if none is said."""
    values = allowed_values(argument.schema.get("items", argument.schema))
    named = [one for one in values if isinstance(one, str) and set(map(singular, words(one))) <= said and words(one)]
    if named and not set(words(argument.name)[-1:]) & said:
        yield value == named[0] or (isinstance(value, list) and named[0] in value)
