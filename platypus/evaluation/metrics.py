"""Metrics of predicted plans against gold plans, with intervals. Pure functions; docs/metrics.md defines each metric.

Each metric is a ratio of two sums over rows, so that any set of rows can be summed up and resampled in the same way. A
malformed answer counts as wrong in every metric that its row takes part in; no row is left out.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from platypus.catalogue.tools import Catalogue
from platypus.plan.equality import same
from platypus.plan.plan import Malformed, Plan, Reference, Value


class Ratio(NamedTuple):
    """One row's contribution to a metric: `hits` out of `of`. With `of = 0`, the row takes no part in it."""

    hits: float
    of: float


@dataclass(frozen=True)
class Overlap:
    """A comparison of two multisets: the size of their intersection, and of each."""

    common: int
    predicted: int
    gold: int

    @property
    def f1(self) -> Ratio:
        """2·common / (predicted + gold), the harmonic mean of precision and recall."""
        return Ratio(2 * self.common, self.predicted + self.gold)

    @property
    def recall(self) -> Ratio:
        """common / gold."""
        return Ratio(self.common, self.gold)


class Scored(Protocol):
    """A row that can be summed up: its ratios by metric. All rows have the same metrics."""

    @property
    def ratios(self) -> Mapping[str, Ratio]:
        """The row's contribution to each metric."""


S = TypeVar("S", bound=Scored)


@dataclass(frozen=True)
class Score:
    """One predicted plan against the gold plan. `length` and `uses` (its tools) describe the gold plan."""

    valid: bool
    exact: bool
    tool_sequence: bool
    tools: Overlap
    arguments: Overlap
    references: Overlap
    refused: bool
    length: int
    uses: tuple[str, ...]

    @property
    def ratios(self) -> Mapping[str, Ratio]:
        """The row's contribution to each metric."""
        refusal = self.length == 0
        return {
            "valid": Ratio(self.valid, 1),
            "exact": Ratio(self.exact, 1),
            "tool_sequence": Ratio(self.tool_sequence, 1),
            "tool_f1": self.tools.f1,
            "argument_f1": self.arguments.f1,
            "reference_accuracy": self.references.recall,
            "correct_refusals": Ratio(self.refused and refusal, refusal),
            "wrong_refusals": Ratio(self.refused and not refusal, not refusal),
        }


@dataclass(frozen=True)
class TextScore:
    """One text answer against the gold answer (Alpaca rows)."""

    exact: bool
    words: Overlap

    @property
    def ratios(self) -> Mapping[str, Ratio]:
        """The row's contribution to each metric."""
        return {"text_exact": Ratio(self.exact, 1), "word_f1": self.words.f1}


@dataclass(frozen=True)
class Interval:
    """A metric over the `rows` rows that take part in it: its value and its 95% bootstrap interval."""

    value: float
    low: float
    high: float
    rows: int

    def __str__(self) -> str:
        return f"{self.value:.1%} [{100 * self.low:.1f}, {100 * self.high:.1f}]"


def score(predicted: Plan | Malformed, gold: Plan, catalogue: Catalogue) -> Score:
    """How the predicted plan compares with the gold plan."""
    valid = isinstance(predicted, Plan) and not predicted.problems(catalogue)
    plan = predicted if isinstance(predicted, Plan) and valid else Plan()  # an invalid answer counts as empty
    return Score(
        valid=valid,
        exact=valid and same(plan, gold, catalogue),
        tool_sequence=valid and _can_run_as(gold, _tools(plan)),
        tools=_overlap(_tools(plan), _tools(gold)),
        arguments=_overlap(_arguments(plan, catalogue), _arguments(gold, catalogue)),
        references=_overlap(_references(plan), _references(gold)),
        refused=valid and len(plan) == 0,
        length=len(gold),
        uses=tuple(sorted(set(_tools(gold)))),
    )


def score_text(predicted: str, gold: str) -> TextScore:
    """How a text answer compares: equality without outer white space; shared words without case and punctuation."""
    return TextScore(exact=predicted.strip() == gold.strip(), words=_overlap(_words(predicted), _words(gold)))


def summarise(scores: Sequence[Scored], *, resamples: int, seed: int) -> dict[str, Interval]:
    """Each metric over all rows, without the metrics that no row takes part in."""
    ratios = [score.ratios for score in scores]
    names = ratios[0] if ratios else ()
    measured = {name: [row[name] for row in ratios if row[name].of] for name in names}
    return {name: _interval(rows, resamples=resamples, seed=seed) for name, rows in measured.items() if rows}


def grouped(scores: Iterable[S], keys: Callable[[S], Iterable[str]]) -> dict[str, list[S]]:
    """The scores by key, with sorted keys: `grouped(scores, lambda score: score.uses)`."""
    groups: dict[str, list[S]] = {}
    for row in scores:
        for key in keys(row):
            groups.setdefault(key, []).append(row)
    return dict(sorted(groups.items()))


def _interval(rows: Sequence[Ratio], *, resamples: int, seed: int) -> Interval:
    """The percentile bootstrap (Efron 1979) over rows."""
    hits, of = np.array(rows, dtype=float).T
    random = np.random.default_rng(seed)
    draws = (random.integers(len(rows), size=len(rows)) for _ in range(resamples))
    low, high = np.percentile([hits[draw].sum() / of[draw].sum() for draw in draws], [2.5, 97.5])
    return Interval(float(hits.sum() / of.sum()), float(low), float(high), len(rows))


def _overlap(predicted: Iterable[Hashable], gold: Iterable[Hashable]) -> Overlap:
    predicted_counts, gold_counts = Counter(predicted), Counter(gold)
    return Overlap((predicted_counts & gold_counts).total(), predicted_counts.total(), gold_counts.total())


def _tools(plan: Plan) -> list[str]:
    return [step.tool for step in plan]


def _can_run_as(gold: Plan, tools: Sequence[str]) -> bool:
    """Whether the gold plan's steps can run in an order that has these tools and respects the dependencies."""
    if len(tools) != len(gold):
        return False
    needs = gold.dependencies()
    possible: set[frozenset[int]] = {frozenset()}  # the sets of gold steps that may have run so far
    for tool in tools:
        possible = {
            ran | {i}
            for ran in possible
            for i, step in enumerate(gold)
            if step.tool == tool and i not in ran and needs[i] <= ran
        }
    return bool(possible)


def _arguments(plan: Plan, catalogue: Catalogue) -> list[tuple[str, str, str]]:
    """(tool, argument, value) of every argument; equal values have equal texts."""
    arguments = []
    for step in plan:
        tool = catalogue.tool(step.tool)
        for name, value in step.arguments.items():
            argument = tool.argument(name) if tool else None
            is_set = argument is not None and bool(argument.schema.get("uniqueItems"))
            arguments.append((step.tool, name, _value_text(value, plan, is_set=is_set)))
    return arguments


def _value_text(value: Value, plan: Plan, *, is_set: bool) -> str:
    """A value as text: references by tool name, so that step numbers do not matter; 1.0 as 1; sets sorted."""
    if isinstance(value, list):
        elements = [_value_text(element, plan, is_set=False) for element in value]
        return f"[{', '.join(sorted(elements) if is_set else elements)}]"
    if isinstance(value, Reference):
        return "$" + json.dumps([plan.steps[value.step].tool, *value.path])
    return json.dumps(json.loads(json.dumps(value), parse_float=_number), sort_keys=True)


def _number(text: str) -> float | int:
    number = float(text)
    return int(number) if number.is_integer() else number


def _references(plan: Plan) -> list[tuple[str, str, str, tuple[str, ...]]]:
    """(tool, argument, tool referred to, path) of every reference."""
    return [
        (step.tool, name, plan.steps[element.step].tool, element.path)
        for step in plan
        for name, value in step.arguments.items()
        for element in (value if isinstance(value, list) else [value])
        if isinstance(element, Reference)
    ]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())
