"""What a report says of answered rows: metrics with intervals, groups, mistakes, and what confidence is worth.

Everything is plain data. Rows may stand in any order.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from platypus.data.dataset import Example
from platypus.evaluation.answering import ScoredRow, request_and_gold
from platypus.evaluation.clusters import clusters_of
from platypus.evaluation.intervals import Ratio, Scored, summarise
from platypus.evaluation.metrics import Score
from platypus.evaluation.mistakes import MISTAKES, argument_kinds, confusions
from platypus.inference.calibration import BINS, Calibration, brier, calibration_error
from platypus.plan.plan import Malformed, Plan

SHOWN = 3  # examples in the report as text
CONFUSED = 20  # pairs of tools in the table of confusions
POINTS = 50  # of the curve of risk over coverage


@dataclass(frozen=True)
class _Kinds:
    """A row's arguments by the kind of their values."""

    ratios: Mapping[str, Ratio]


def summary(rows: Sequence[ScoredRow], *, resamples: int, seed: int) -> dict[str, Any]:
    """The metrics over all rows and in groups, published definitions, mistakes, problems of malformed answers."""
    clusters = clusters_of([row.row for row in rows])

    def measures(scores: Sequence[Scored], chosen: Sequence[int]) -> dict[str, Any]:
        named = [clusters[i] for i in chosen]
        found = summarise(scores, clusters=named, resamples=resamples, seed=seed)
        return {name: asdict(interval) for name, interval in found.items()}

    plans = [i for i, row in enumerate(rows) if isinstance(row.score, Score)]
    texts = [i for i, row in enumerate(rows) if not isinstance(row.score, Score)]
    scores: dict[int, Scored] = {i: row.score for i, row in enumerate(rows)}
    as_published = {i: row.published for i, row in enumerate(rows) if row.published}
    kinds = _argument_kinds({i: rows[i] for i in plans})
    by_length = _groups({i: [f"{row.score.length}"] for i, row in enumerate(rows) if isinstance(row.score, Score)})
    by_tool = _groups({i: row.score.uses for i, row in enumerate(rows) if isinstance(row.score, Score)})
    counted = Counter(kind for row in rows for kind in row.mistakes)
    return {
        "measures": measures([scores[i] for i in plans], plans) | measures([scores[i] for i in texts], texts),
        "clusters": len(set(clusters)),
        "published": measures([*as_published.values()], [*as_published]),
        "by_length": {key: measures([scores[i] for i in chosen], chosen) for key, chosen in by_length.items()},
        "by_tool": {key: measures([scores[i] for i in chosen], chosen) for key, chosen in by_tool.items()},
        "by_argument": measures([*kinds.values()], [*kinds]),
        "mistakes": {kind: counted[kind] for kind in MISTAKES if counted[kind]},
        "confusions": _confusions(rows),
        "malformed": dict(
            Counter(row.plan.problems[0].kind for row in rows if isinstance(row.plan, Malformed)).most_common()
        ),
        "cut": sum(row.cut for row in rows),
    }


def _groups(keys: Mapping[int, Sequence[str]]) -> dict[str, list[int]]:
    """The rows of each key, with sorted keys; numbers by their size."""
    groups: dict[str, list[int]] = {}
    for i, names in keys.items():
        for name in names:
            groups.setdefault(name, []).append(i)
    return dict(sorted(groups.items(), key=lambda group: (int(group[0]) if group[0].isdecimal() else 0, group[0])))


def _argument_kinds(rows: Mapping[int, ScoredRow]) -> dict[int, _Kinds]:
    found = {
        i: argument_kinds(row.plan, row.row.plan, row.tools)
        for i, row in rows.items()
        if isinstance(row.row, Example) and row.plan is not None and row.tools is not None
    }
    names = sorted({name for kinds in found.values() for name in kinds})
    return {i: _Kinds({name: kinds.get(name, Ratio(0, 0)) for name in names}) for i, kinds in found.items()}


def _confusions(rows: Sequence[ScoredRow]) -> list[dict[str, Any]]:
    """The most frequent pairs of gold's tool and the one called in its place."""
    pairs = Counter(
        pair
        for row in rows
        if isinstance(row.plan, Plan) and isinstance(row.row, Example)
        for pair in confusions(row.plan, row.row.plan)
    )
    ordered = sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))[:CONFUSED]
    return [{"gold": gold, "answer": answer, "count": count} for (gold, answer), count in ordered]


def examples(rows: Mapping[str, Sequence[ScoredRow]]) -> list[dict[str, Any]]:
    """A few rows, evenly spread over the test set, with the answers of every variant."""
    first = next(iter(rows.values()))
    chosen = range(0, len(first), max(1, len(first) // SHOWN))[:SHOWN]
    return [
        {**request_and_gold(first[i].row), **{variant: answered[i].text for variant, answered in rows.items()}}
        for i in chosen
    ]


# ---------------------------------------------------------------- confidence


def calibration_for(rows: Sequence[ScoredRow], start: Calibration) -> Calibration:
    """The calibration that these rows make of `start`, that of the base."""
    answers = [
        (start.score(row.probability, row.evidence), row.score.exact)
        for row in rows
        if row.probability is not None and not row.cut
    ]
    return start.corrected([score for score, _ in answers], [exact for _, exact in answers])


def confidence(rows: Sequence[ScoredRow], calibration: Calibration, *, least: float) -> dict[str, Any]:
    """How well probability and confidence predict exact plans, and the effect of abstaining below `least`.

    `weighted`: whether the confidence weighs evidence, `fitted_rows`: to how many validation rows it was fitted.
    `bins`: of each tenth of confidence, its rows, their mean confidence and the share that is exact. `risk_coverage`:
    of the surest rows, how many there are, and the share that is not exact.
    """
    answers = [(row.probability, row) for row in rows if row.probability is not None]
    probabilities = [probability for probability, _ in answers]
    exact = [row.score.exact for _, row in answers]
    confidences = [
        0.0 if row.cut else calibration.confidence(probability, row.evidence) for probability, row in answers
    ]
    sure = [right for right, known in zip(exact, confidences, strict=True) if known >= least]
    both = {"probability": probabilities, "confidence": confidences}
    return {
        "weighted": bool(calibration.weights),
        "fitted_rows": calibration.rows,
        "brier": {name: round(brier(values, exact), 4) for name, values in both.items()},
        "calibration_error": {name: round(calibration_error(values, exact), 4) for name, values in both.items()},
        "min_confidence": least,
        "not_sure": len(answers) - len(sure),
        "exact_if_sure": round(sum(sure) / len(sure), 4) if sure else None,
        "bins": _bins(confidences, exact),
        "risk_coverage": risk_coverage(confidences, exact),
    }


def _bins(confidences: Sequence[float], exact: Sequence[bool]) -> list[dict[str, Any]]:
    tenths = [min(int(known * BINS), BINS - 1) for known in confidences]
    bins = []
    for tenth in sorted(set(tenths)):
        chosen = [i for i, other in enumerate(tenths) if other == tenth]
        mean = sum(confidences[i] for i in chosen) / len(chosen)
        share = sum(exact[i] for i in chosen) / len(chosen)
        bins.append({"rows": len(chosen), "confidence": round(mean, 4), "exact": round(share, 4)})
    return bins


def risk_coverage(confidences: Sequence[float], exact: Sequence[bool]) -> list[dict[str, float]]:
    """Points of the curve; rows of one confidence are taken together, so that their order does not count."""
    order = sorted(range(len(exact)), key=lambda i: -confidences[i])
    ends = [k for k in range(1, len(order) + 1) if k == len(order) or confidences[order[k]] < confidences[order[k - 1]]]
    wrong = np.cumsum([not exact[i] for i in order])
    chosen = ends if len(ends) <= POINTS else [ends[round(k)] for k in np.linspace(0, len(ends) - 1, POINTS)]
    return [{"coverage": round(k / len(order), 4), "risk": round(float(wrong[k - 1]) / k, 4)} for k in chosen]
