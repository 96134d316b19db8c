"""Two plans → numbers with intervals: pure functions. Every definition, with an example, stands in docs/metrics.md.

Each measure is a ratio of two sums over rows, so that any set of rows can be summed up and resampled alike. A malformed
answer is wrong in every measure that its row counts in; no row is ever left out.
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
    """One row's part in a measure: how much it got right, out of how much. `of` is 0 where the row has no say."""

    hits: float
    of: float


@dataclass(frozen=True)
class Overlap:
    """Two multisets compared: the size of what they share, and of each."""

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
    """What can be summed up: the ratios of one row, by measure. All rows name the same measures."""

    @property
    def ratios(self) -> Mapping[str, Ratio]:
        """The row's part in each measure."""


S = TypeVar("S", bound=Scored)


@dataclass(frozen=True)
class Score:
    """One predicted plan against the gold plan. `length` and `uses` describe the gold plan."""

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
        """The row's part in each measure."""
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
    """One answer in words against the gold answer (Alpaca rows)."""

    exact: bool
    words: Overlap

    @property
    def ratios(self) -> Mapping[str, Ratio]:
        """The row's part in each measure."""
        return {"text_exact": Ratio(self.exact, 1), "word_f1": self.words.f1}


@dataclass(frozen=True)
class Interval:
    """A measure over `rows` rows that have a say in it: its value and the bootstrap's 95% interval."""

    value: float
    low: float
    high: float
    rows: int

    def __str__(self) -> str:
        return f"{self.value:.1%} [{100 * self.low:.1f}, {100 * self.high:.1f}]"


def score(predicted: Plan | Malformed, gold: Plan, catalogue: Catalogue) -> Score:
    """How the predicted plan compares with the gold plan."""
    valid = isinstance(predicted, Plan) and not predicted.problems(catalogue)
    plan = predicted if isinstance(predicted, Plan) and valid else Plan()  # nothing of an invalid answer counts
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
    """How an answer in words compares: equal but for outer white space; words shared, without case and punctuation."""
    return TextScore(exact=predicted.strip() == gold.strip(), words=_overlap(_words(predicted), _words(gold)))


def summarise(scores: Sequence[Scored], *, resamples: int, seed: int) -> dict[str, Interval]:
    """Each measure over all rows. A measure in which no row has a say is left out."""
    ratios = [score.ratios for score in scores]
    names = ratios[0] if ratios else ()
    measured = {name: [row[name] for row in ratios if row[name].of] for name in names}
    return {name: _interval(rows, resamples=resamples, seed=seed) for name, rows in measured.items() if rows}


def grouped(scores: Iterable[S], keys: Callable[[S], Iterable[str]]) -> dict[str, list[S]]:
    """The scores under each of their keys, keys in order: `grouped(scores, lambda score: score.uses)`."""
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
    ours, theirs = Counter(predicted), Counter(gold)
    return Overlap((ours & theirs).total(), ours.total(), theirs.total())


def _tools(plan: Plan) -> list[str]:
    return [step.tool for step in plan]


def _can_run_as(gold: Plan, tools: Sequence[str]) -> bool:
    """Whether the gold plan's steps, each after what it depends on, can run so that their tools come in this order."""
    if len(tools) != len(gold):
        return False
    needs = gold.dependencies()
    ways: set[frozenset[int]] = {frozenset()}  # the sets of gold steps that may have run so far
    for tool in tools:
        ways = {
            ran | {i}
            for ran in ways
            for i, step in enumerate(gold)
            if step.tool == tool and i not in ran and needs[i] <= ran
        }
    return bool(ways)


def _arguments(plan: Plan, catalogue: Catalogue) -> list[tuple[str, str, str]]:
    """(tool, argument, value) of every argument; equal values are equal texts."""
    found = []
    for step in plan:
        tool = catalogue.tool(step.tool)
        for name, value in step.arguments.items():
            argument = tool.argument(name) if tool else None
            is_set = argument is not None and bool(argument.schema.get("uniqueItems"))
            found.append((step.tool, name, _value_text(value, plan, is_set=is_set)))
    return found


def _value_text(value: Value, plan: Plan, *, is_set: bool) -> str:
    """References by the tool that they refer to, so that step numbers do not matter; 1.0 is 1; sets in order."""
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
