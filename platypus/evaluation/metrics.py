"""Metrics of predicted plans against gold plans. Pure functions; docs/metrics.md defines each metric.

Each metric is a ratio of two sums over rows. A malformed answer counts as wrong in every metric that its row takes part
in; no row is left out.
"""

import json
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from platypus.catalogue.tools import Catalogue
from platypus.evaluation.intervals import Ratio
from platypus.plan.equality import same, step_keys
from platypus.plan.plan import Malformed, Plan, Reference, Value


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

    @property
    def share(self) -> Ratio:
        """common / the larger of the two: what is missing and what is too much count alike."""
        return Ratio(self.common, max(self.predicted, self.gold))

    @property
    def macro(self) -> Ratio:
        """The row's own F1, as one of one; a row with nothing in either takes no part."""
        both = self.predicted + self.gold
        return Ratio(2 * self.common / both, 1) if both else Ratio(0, 0)


@dataclass(frozen=True)
class Score:
    """One predicted plan against the gold plan. `length` and `uses` (its tools) describe the gold plan.

    The overlaps count calls (tools, whole calls, edges between calls) and arguments (their names, their values, and
    references with and without the part that they name).
    """

    valid: bool
    exact: bool
    strict_exact: bool
    tool_sequence: bool
    tools: Overlap
    calls: Overlap
    edges: Overlap
    argument_names: Overlap
    arguments: Overlap
    reference_steps: Overlap
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
            "strict_exact": Ratio(self.strict_exact, 1),
            "tool_sequence": Ratio(self.tool_sequence, 1),
            "call_accuracy": self.calls.share,
            "tool_f1": self.tools.f1,
            "edge_f1": self.edges.f1,
            "argument_name_f1": self.argument_names.f1,
            "argument_f1": self.arguments.f1,
            "tool_f1_macro": self.tools.macro,
            "edge_f1_macro": self.edges.macro,
            "argument_name_f1_macro": self.argument_names.macro,
            "argument_f1_macro": self.arguments.macro,
            "reference_steps": self.reference_steps.recall,
            "reference_accuracy": self.references.recall,
            "refusal_precision": Ratio(self.refused and refusal, self.refused),
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


def score(predicted: Plan | Malformed, gold: Plan, catalogue: Catalogue) -> Score:
    """How the predicted plan compares with the gold plan."""
    valid = isinstance(predicted, Plan) and not predicted.problems(catalogue)
    plan = predicted if isinstance(predicted, Plan) and valid else Plan()  # an invalid answer counts as empty
    return Score(
        valid=valid,
        exact=valid and same(plan, gold, catalogue),
        strict_exact=valid and step_keys(plan, Catalogue(())) == step_keys(gold, Catalogue(())),
        tool_sequence=valid and _can_run_as(gold, _tools(plan)),
        tools=_overlap(_tools(plan), _tools(gold)),
        calls=_overlap(whole_calls(plan, catalogue), whole_calls(gold, catalogue)),
        edges=_overlap(edges_of(plan), edges_of(gold)),
        argument_names=_overlap(_argument_names(plan), _argument_names(gold)),
        arguments=_overlap(argument_texts(plan, catalogue), argument_texts(gold, catalogue)),
        reference_steps=_overlap(_reference_steps(plan), _reference_steps(gold)),
        references=_overlap(_references(plan), _references(gold)),
        refused=valid and len(plan) == 0,
        length=len(gold),
        uses=tuple(sorted(set(_tools(gold)))),
    )


def score_of_json(data: Mapping[str, Any]) -> Score | TextScore:
    """The score in a line of `scores.jsonl`. Raises KeyError or TypeError if it is none."""
    fields = {**data, **{name: Overlap(**value) for name, value in data.items() if isinstance(value, Mapping)}}
    return TextScore(**fields) if "words" in data else Score(**{**fields, "uses": tuple(data["uses"])})


def score_text(predicted: str, gold: str) -> TextScore:
    """How a text answer compares: equality without outer white space; shared words without case and punctuation."""
    return TextScore(exact=predicted.strip() == gold.strip(), words=_overlap(_words(predicted), _words(gold)))


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


def argument_texts(plan: Plan, catalogue: Catalogue) -> list[tuple[str, str, str]]:
    """(tool, argument, value) of every argument, in order; equal values have equal texts."""
    texts = zip(plan, _named_texts(plan, catalogue), strict=True)
    return [(step.tool, name, text) for step, named in texts for name, text in named]


def _argument_names(plan: Plan) -> list[tuple[str, str]]:
    return [(step.tool, name) for step in plan for name in step.arguments]


def edges_of(plan: Plan) -> list[tuple[str, str]]:
    """(tool used, its user) for each step and each earlier step whose output it uses."""
    needs = zip(plan.steps, plan.dependencies(), strict=True)
    return [(plan.steps[used].tool, step.tool) for step, all_used in needs for used in all_used]


def whole_calls(plan: Plan, catalogue: Catalogue) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
    """(tool, its arguments with their values as texts) of every call."""
    texts = zip(plan, _named_texts(plan, catalogue), strict=True)
    return [(step.tool, tuple(sorted(named))) for step, named in texts]


def _named_texts(plan: Plan, catalogue: Catalogue) -> list[list[tuple[str, str]]]:
    """The arguments of each step, in order: their names, and their values as texts."""
    steps = []
    for step in plan:
        tool, texts = catalogue.tool(step.tool), []
        for name, value in step.arguments.items():
            argument = tool.argument(name) if tool else None
            is_set = argument is not None and argument.is_set
            texts.append((name, _value_text(value, plan, is_set=is_set)))
        steps.append(texts)
    return steps


def _value_text(value: Value, plan: Plan, *, is_set: bool) -> str:
    """A value as text: references by tool name, so that step numbers do not matter; 1.0 as 1; sets sorted."""
    if isinstance(value, list):
        elements = [_value_text(element, plan, is_set=False) for element in value]
        return f"[{', '.join(sorted(elements) if is_set else elements)}]"
    if isinstance(value, Reference):
        return "$" + json.dumps([plan.steps[value.step].tool, *value.path])
    return literal_text(value)


def literal_text(value: Any) -> str:
    """JSON data as text: 1.0 as 1, keys sorted."""
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


def _reference_steps(plan: Plan) -> list[tuple[str, str, str]]:
    """(tool, argument, tool referred to) of every reference."""
    return [reference[:3] for reference in _references(plan)]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())
