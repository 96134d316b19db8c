"""How published benchmarks score a plan, so that figures can stand beside theirs. Pure functions.

Each is written after the benchmark's paper and evaluator, for plans in this project's form; docs/metrics.md says where
a definition differs from `metrics` and what is left out. They look at what was said, valid for the tools or not, and
None stands for an answer that cannot be read. Such an answer is wrong. TaskBench skips it, and NesTools skips a row
without an answer, which makes a test easier for a worse model; their way is given beside it, under names that end with
`_answered`.
"""

import json
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from platypus.catalogue.tools import Catalogue
from platypus.evaluation.intervals import Ratio
from platypus.evaluation.metrics import edges_of
from platypus.plan.plan import Plan, Reference, Step, Value, value_to_json


@dataclass(frozen=True)
class PublishedScore:
    """One answer by all definitions."""

    ratios: Mapping[str, Ratio]


def published(said: Plan | None, gold: Plan, catalogue: Catalogue) -> PublishedScore:
    """The scores of what was said, None if it cannot be read as a plan."""
    plan = said or Plan()
    skipping = {**_taskbench(plan, gold, catalogue), **_nestools(plan, gold, answered=said is not None)}
    answered = {f"{name}_answered": Ratio(0, 0) if said is None else ratio for name, ratio in skipping.items()}
    others = {**_seal_tools(plan, gold, answered=said is not None), **_nestful(said, gold), **_bfcl(said, gold)}
    return PublishedScore({**skipping, **answered, **others})


# ---------------------------------------------------------------- TaskBench


def _taskbench(plan: Plan, gold: Plan, catalogue: Catalogue) -> dict[str, Ratio]:
    """Shen et al. 2023: sets of tools, edges, arguments and values of a plan, without repetitions.

    Tools that do not exist are left out of the tools, as the evaluator does. A reference's value is the tool that it
    refers to.
    """
    known = [{step.tool for step in one if catalogue.tool(step.tool)} for one in (plan, gold)]
    triples = [set(_triples(one)) for one in (plan, gold)]
    edges = [set(edges_of(one)) for one in (plan, gold)]
    names = [{triple[:2] for triple in one} for one in triples]
    sets: dict[str, list[set[Any]]] = {"node": known, "edge": edges, "parameter": names, "value": triples}
    return {f"taskbench_{name}_f1": _f1(Counter(ours), Counter(theirs)) for name, (ours, theirs) in sets.items()}


def _triples(plan: Plan) -> Iterator[tuple[str, str, str]]:
    for step in plan:
        for name, value in step.arguments.items():
            yield step.tool, name, plan.steps[value.step].tool if isinstance(value, Reference) else _text(value)


# ---------------------------------------------------------------- Seal-Tools


def _seal_tools(plan: Plan, gold: Plan, *, answered: bool) -> dict[str, Ratio]:
    """Wu et al. 2024: F1 of tools and of argument values, each call compared with gold's first call of its tool.

    A repeated call counts each time.
    """
    first: dict[str, Step] = {}
    for step in gold:
        first.setdefault(step.tool, step)
    found = [(step, first[step.tool]) for step in plan if step.tool in first]
    equal = sum(
        name in known.arguments and _text(value) == _text(known.arguments[name])
        for step, known in found
        for name, value in step.arguments.items()
    )
    return {
        "seal_tools_format": Ratio(answered, 1),
        "seal_tools_api_f1": Ratio(2 * len(found), len(plan) + len(gold)),
        "seal_tools_parameter_f1": Ratio(2 * equal, _arguments(plan) + _arguments(gold)),
    }


# ---------------------------------------------------------------- NesTools


def _nestools(plan: Plan, gold: Plan, *, answered: bool) -> dict[str, Ratio]:
    """Han et al. 2024: format; F1 of tools, of pairs of neighbours, of argument values, and of references.

    Each call is compared with the gold call of its tool, not taken yet, that it resembles most. Texts score their
    ROUGE-L, lists the mean of their elements.
    """
    matched: dict[int, int] = {}  # step of the plan → step of gold
    values, nested = 0.0, 0.0
    for place, step in enumerate(plan):
        free = [i for i, known in enumerate(gold) if known.tool == step.tool and i not in matched.values()]
        scores = {i: _nestools_call(step, gold.steps[i], matched) for i in free}
        if scores:
            best = max(scores, key=lambda i: (scores[i][0], -i))
            matched[place] = best
            values, nested = values + scores[best][0], nested + scores[best][1]
    order = [_pairs(plan), _pairs(gold)]
    return {
        "nestools_format": Ratio(answered, 1),
        "nestools_api_f1": Ratio(2 * len(matched), len(plan) + len(gold)),
        "nestools_order_f1": _f1(*order),
        "nestools_parameter_f1": Ratio(2 * values, _arguments(plan) + _arguments(gold)),
        "nestools_nested_f1": Ratio(2 * nested, _nested(plan) + _nested(gold)),
    }


def _nestools_call(step: Step, known: Step, matched: Mapping[int, int]) -> tuple[float, float]:
    """The scores of a call's arguments, and of those among them that refer to other calls."""
    scores = nested = 0.0
    for name in step.arguments.keys() & known.arguments.keys():
        ours, theirs = _moved(step.arguments[name], matched), known.arguments[name]
        score = _likeness(value_to_json(ours), value_to_json(theirs)) if not _refers(theirs) else float(ours == theirs)
        scores, nested = scores + score, nested + score * _refers(theirs)
    return scores, nested


def _moved(value: Value, matched: Mapping[int, int]) -> Value:
    """The value with its references to the gold calls that theirs are matched with; -1 for calls without one."""
    if isinstance(value, list):
        return [_moved(element, matched) for element in value]
    return Reference(matched.get(value.step, -1), value.path) if isinstance(value, Reference) else value


def _likeness(ours: Any, theirs: Any) -> float:
    if ours == theirs:
        return 1.0
    if isinstance(ours, str) and isinstance(theirs, str):
        return _rouge_l(ours.lower().split(), theirs.lower().split())
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return sum(map(_likeness, ours, theirs)) / len(ours)
    if isinstance(ours, dict) and isinstance(theirs, dict) and ours.keys() == theirs.keys():
        return sum(_likeness(ours[key], theirs[key]) for key in ours) / len(ours)
    return 0.0


def _rouge_l(ours: list[str], theirs: list[str]) -> float:
    """Lin 2004: the F1 of the longest common subsequence of words."""
    lengths = [0] * (len(theirs) + 1)
    for word in ours:
        before = 0
        for i, other in enumerate(theirs, 1):
            before, lengths[i] = lengths[i], before + 1 if word == other else max(lengths[i], lengths[i - 1])
    return 2 * lengths[-1] / (len(ours) + len(theirs)) if ours and theirs else 0.0


def _pairs(plan: Plan) -> Counter[tuple[str, str]]:
    tools = [step.tool for step in plan]
    return Counter(pairwise(tools))


def _nested(plan: Plan) -> int:
    return sum(_refers(value) for step in plan for value in step.arguments.values())


# ---------------------------------------------------------------- NESTFUL


def _nestful(said: Plan | None, gold: Plan) -> dict[str, Ratio]:
    """Basu et al. 2024: the share of calls that are equal to gold's at their places, and whether all are.

    The evaluator gives no rows without calls; there, an answer without calls is right.
    """
    if said is None or not gold.steps:
        right = said is not None and not said.steps
        return {"nestful_partial": Ratio(right, 1), "nestful_full": Ratio(right, 1)}
    pairs = _aligned(said, gold)
    equal = sum(ours is not None and theirs is not None and _call(ours) == _call(theirs) for ours, theirs in pairs)
    return {"nestful_partial": Ratio(equal / len(pairs), 1), "nestful_full": Ratio(equal == len(pairs), 1)}


def _aligned(plan: Plan, gold: Plan) -> list[tuple[Step | None, Step | None]]:
    """Pairs of calls: by their places, or in plans of two lengths by names as the evaluator does, from left to right.

    A call of gold whose tool is not that of the next call stands alone, so behind a call that gold never makes nothing
    is found.
    """
    if len(plan) == len(gold):
        return [*zip(plan, gold, strict=True)]
    left, pairs = deque(plan.steps), list[tuple[Step | None, Step | None]]()
    for step in gold:
        pairs.append((left.popleft() if left and left[0].tool == step.tool else None, step))
    return [*pairs, *((step, None) for step in left)]


def _call(step: Step) -> tuple[str, str]:
    return step.tool, _text(step.arguments)


# ---------------------------------------------------------------- BFCL


def _bfcl(said: Plan | None, gold: Plan) -> dict[str, Ratio]:
    """Patil et al. 2024, the AST check: as many calls as gold, each equal to one of gold's, in any order.

    Texts are compared without case, spaces and the signs ,./-_*^. Where nothing is to be called, any answer without a
    call is right, also one that cannot be read.
    """
    if not gold.steps:
        return {"bfcl_ast": Ratio(0, 0), "bfcl_irrelevance": Ratio(not (said or Plan()).steps, 1)}
    calls = [Counter((step.tool, _typed(step.arguments)) for step in one) for one in (said or Plan(), gold)]
    return {"bfcl_ast": Ratio(calls[0] == calls[1], 1), "bfcl_irrelevance": Ratio(0, 0)}


def _typed(value: Any) -> str:
    """A value as text that tells types apart, which BFCL checks: 2 is not "2"."""
    return json.dumps(_plain(value), sort_keys=True, default=str)


def _plain(value: Any) -> Any:
    match value:
        case str():
            return re.sub(r"[ ,./\-_*^]", "", value).lower().replace("'", '"')
        case dict():
            return {name: _plain(part) for name, part in value.items()}
        case list():
            return [_plain(part) for part in value]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value


# ---------------------------------------------------------------- what they share


def _f1(ours: Counter[Any], theirs: Counter[Any]) -> Ratio:
    return Ratio(2 * (ours & theirs).total(), ours.total() + theirs.total())


def _arguments(plan: Plan) -> int:
    return sum(len(step.arguments) for step in plan)


def _refers(value: Value) -> bool:
    parts: Iterable[Value] = value if isinstance(value, list) else [value]
    return any(isinstance(part, Reference) for part in parts)


def _text(value: Any) -> str:
    """A value as Python writes it, which is how the evaluators compare values; arguments by name."""
    if isinstance(value, dict):
        return str({name: _text(part) for name, part in sorted(value.items())})
    return str(value_to_json(value))
