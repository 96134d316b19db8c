"""How much of a catalogue a set of examples covers, and plans for what is not covered yet.

To be covered are: each tool, each argument, each value of an enum, each way in which one tool's output can fill
another's argument (whole, by a field, as an array element), each plan length, and each shape. A `Ledger` counts them
in the examples' plans and draws plans for those that occur too rarely. What cannot be covered is listed with a reason.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from platypus.catalogue.tools import Catalogue
from platypus.generation.plans.conventions import is_by_name
from platypus.generation.plans.sampler import SHAPES, Sampler, Undrawable, Want, shape
from platypus.generation.plans.values import choices
from platypus.plan.plan import Plan, Reference
from platypus.reports import markdown_table

FAILED_DRAWS = 30  # draws for one target without a new example, before it is given up
ROWS_FOR_TOOLS = 0.8  # share of examples that can be drawn for tools: some are refusals, some draws fail
LACKING = {  # shape → why no plan of it can be drawn
    "chain": "no tool's output fills an argument of another",
    "fan-in": "no call was drawn that uses the outputs of two others",
    "fan-out": "no tool's output fills arguments of two others",
    "independent": "there is only one tool that can be called",
}
KINDS = ("tools", "arguments", "values", "references", "lengths", "shapes")


@dataclass(frozen=True)
class Target:
    """One thing to be covered: its kind, its name, and what a plan must contain to cover it."""

    kind: str
    name: str
    want: Want | None = None
    rare: bool = False  # people hardly ever say it: one example is enough


def edge(producer: str, path: tuple[str, ...], element: bool, consumer: str, argument: str) -> str:
    """Return the name of a reference: `who_am_i → works_list.owned_by[]`, `find.id → close.ticket`."""
    return f"{'.'.join((producer, *path))} → {consumer}.{argument}{'[]' if element else ''}"


def covered_by(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield the kind and name of everything that a plan covers."""
    yield "lengths", str(len(plan))
    yield "shapes", shape(plan)
    for step in plan:
        yield "tools", step.tool
        for name, value in step.arguments.items():
            yield "arguments", f"{step.tool}.{name}"
            for part in value if isinstance(value, list) else [value]:
                if isinstance(part, Reference):
                    producer = plan.steps[part.step].tool
                    yield "references", edge(producer, part.path, isinstance(value, list), step.tool, name)
                else:
                    yield "values", f"{step.tool}.{name} = {part}"


def targets(sampler: Sampler) -> Iterator[Target]:
    """Yield everything that examples for the sampler's catalogue should cover."""
    for tool in sampler.catalogue:
        yield Target("tools", tool.name, Want(tool))
        for argument in tool.arguments:
            if not sampler.conventions.weight(tool, argument):
                continue  # the recipe says that it is never given
            name, rare = f"{tool.name}.{argument.name}", sampler.is_rare(tool, argument.name)
            yield Target("arguments", name, Want(tool, argument.name), rare)
            for value in choices(argument.schema.get("items", argument.schema)):
                yield Target("values", f"{name} = {value}", Want(tool, argument.name, value=value), rare)
            as_said, _ = sampler.conventions.looked_up_by(tool, argument)
            for producer in sampler.producers[tool.name, argument.name]:
                if as_said == 1 and is_by_name(producer.tool):
                    continue  # names are given as they are said
                way = edge(producer.tool.name, producer.path, producer.element, tool.name, argument.name)
                yield Target("references", way, Want(tool, argument.name, producer), rare)
    yield from (Target("lengths", str(length)) for length in range(1, sampler.max_steps + 1))
    yield from (Target("shapes", name) for name in SHAPES)


def joined(plan: Plan, other: Plan, *, max_steps: int) -> Plan | None:
    """Return a plan with the steps of both; None if it would be too long or call one tool for both."""
    if len(plan) + len(other) > max_steps or {step.tool for step in plan} & {step.tool for step in other}:
        return None
    return Plan((*plan.steps, *(step.renumbered(lambda i: i + len(plan)) for step in other)))


@dataclass
class Ledger:
    """Counts what examples cover, and draws plans for what they cover fewer than `least` times.

    `missing` is how many occurrences are still needed, `impossible` maps what cannot be covered to the reason.
    """

    sampler: Sampler
    least: int
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    impossible: dict[tuple[str, str], str] = field(default_factory=dict)
    _open: dict[tuple[str, str], Target] = field(default_factory=dict)
    _draws: Counter[tuple[str, str]] = field(default_factory=Counter)
    missing: int = 0

    def __post_init__(self) -> None:
        for target in targets(self.sampler) if self.least else ():
            self._open[target.kind, target.name] = target
        self.missing = sum(map(self._least, self._open.values()))

    def _least(self, target: Target) -> int:
        """How often the target must occur."""
        return min(self.least, 1) if target.rare else self.least

    def count(self, plan: Plan) -> None:
        """Count what an example's plan covers."""
        for key in covered_by(plan):
            self.counts[key] += 1
            if key in self._open:
                self.missing -= 1
                self._draws[key] = 0
                if self.counts[key] >= self._least(self._open[key]):
                    del self._open[key]

    def need(self, remaining: int) -> float:
        """What is missing, as a share of what `remaining` examples can be expected to cover."""
        return 2 * self.missing / (3 * remaining)

    def draw(self, rng: Random, *, remaining: int) -> Plan | None:
        """Return a plan for something that occurs too rarely; None when there is nothing left to draw for.

        If `remaining` examples are too few for everything, tools come first, then arguments, values and references,
        and of one kind what is rarest. If they are too few for the tools, some plans are for two tools.
        """
        plan = self._draw(rng, scarce=self.need(remaining) > 1)
        tools = sum(self.least - self.counts[key] for key in self._open if key[0] == "tools")
        if plan is None or rng.random() * tools < ROWS_FOR_TOOLS * remaining:
            return plan
        other = self._draw(rng, scarce=True)
        return plan if other is None else joined(plan, other, max_steps=self.sampler.max_steps) or plan

    def _draw(self, rng: Random, *, scarce: bool) -> Plan | None:
        while self._open:
            key = rng.choice(self._most_needed() if scarce else list(self._open))
            target = self._open[key]
            self._draws[key] += 1
            try:
                if self._draws[key] > FAILED_DRAWS:
                    raise Undrawable("no new request with a clear wording was found")
                return self._plan(rng, target)
            except Undrawable as error:
                self.impossible[key] = self._why(target, str(error))
                self.missing -= self._least(target) - self.counts[key]
                del self._open[key]
        return None

    def _most_needed(self) -> list[tuple[str, str]]:
        """What is open of the first kind of which something is open, as far as it is the rarest."""
        ranks = {key: (KINDS.index(key[0]), self.counts[key]) for key in self._open}
        first = min(ranks.values())
        return [key for key, rank in ranks.items() if rank == first]

    def give_up(self, rng: Random) -> None:
        """Find out which targets that are still open cannot be drawn at all, and why."""
        for key, target in list(self._open.items()):
            try:
                self._plan(rng, target)
            except Undrawable as error:
                self.impossible[key] = self._why(target, str(error))

    def _plan(self, rng: Random, target: Target) -> Plan:
        if target.want:
            if {target.want.tool.name, *self._producer(target)} & self.sampler.unreachable:
                raise Undrawable("a tool of it can never be called")
            return self.sampler.plan(rng, want=target.want)
        if target.kind == "lengths":
            return self.sampler.sized(rng, int(target.name))
        return self.sampler.shaped(rng, target.name)

    def _producer(self, target: Target) -> tuple[str, ...]:
        return (target.want.producer.tool.name,) if target.want and target.want.producer else ()

    def _why(self, target: Target, error: str) -> str:
        """Why a target cannot be covered, in terms of the catalogue."""
        want = target.want
        if want is None:
            return LACKING.get(target.name, error)
        for tool in {want.tool.name, *self._producer(target)} & self.sampler.unreachable:
            return f"{tool} needs an argument that nothing can fill: give it a type, an enum or examples"
        argument = want.tool.argument(want.argument) if want.argument else None
        if argument and self.sampler.made_up(Random(0), want.tool, argument) is None:
            return f"no value can be made up for {argument.name}: give it a type, an enum or examples"
        return error

    def report(self) -> dict[str, Any]:
        """Return, for each kind: the total, how many are covered, each count, and what is not covered with a reason."""
        report: dict[str, Any] = {}
        for kind in KINDS:
            wanted = {target.name: self._least(target) for target in targets(self.sampler) if target.kind == kind}
            counts = {name: self.counts[kind, name] for name in wanted}
            few = {name: n for name, n in counts.items() if n < wanted[name]}
            report[kind] = {
                "total": len(wanted),
                "covered": len(wanted) - len(few),
                "least": min(counts.values(), default=0),
                "counts": counts,
                "uncovered": [
                    {
                        "what": name,
                        "times": n,
                        "why": self.impossible.get(
                            (kind, name), "it can be drawn, but too few examples were asked for"
                        ),
                    }
                    for name, n in few.items()
                ],
            }
        return report


def as_markdown(report: dict[str, Any], *, least: int, catalogue: Catalogue) -> str:
    """Return the coverage report as Markdown: a table, and a list of what is not covered."""
    rows = [[kind, *(str(part[key]) for key in ("total", "covered", "least"))] for kind, part in report.items()]
    lines = [
        f"# Coverage of {len(catalogue)} tools",
        "",
        f"Covered means: in at least {least} examples.",
        "",
        markdown_table([["of these", "there are", "covered", "the rarest occurs"], *rows]),
    ]
    uncovered = [entry for part in report.values() for entry in part["uncovered"]]
    if uncovered:
        rows = [[f"`{entry['what']}`", str(entry["times"]), entry["why"]] for entry in uncovered]
        lines += ["", "## Not covered", "", markdown_table([["what", "times", "why"], *rows])]
    return "\n".join(lines) + "\n"
