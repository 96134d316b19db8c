"""Exactness apart from conventions: plans that differ from gold only in a look-up by name, or in what words imply."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from platypus.data.dataset import Example
from platypus.evaluation.answering import ScoredRow
from platypus.evaluation.clusters import clusters_of
from platypus.evaluation.intervals import Ratio, interval
from platypus.generation.plans.conventions import Conventions
from platypus.plan.equality import same
from platypus.plan.plan import Plan


def apart_from(
    conventions: Conventions, rows: Sequence[ScoredRow], *, resamples: int, seed: int
) -> dict[str, Any] | None:
    """What a report says of exactness apart from the conventions; nothing if none is stated or there are no plans."""
    planned = [row for row in rows if isinstance(row.row, Example) and row.tools is not None]
    stated = conventions.stated
    if not stated or not planned:
        return None
    right = [Ratio(_is_right(row, conventions), 1) for row in planned]
    measured = interval(right, clusters=clusters_of([row.row for row in planned]), resamples=resamples, seed=seed)
    return {"exact": asdict(measured) if measured else None, "conventions": stated}


def _is_right(row: ScoredRow, conventions: Conventions) -> bool:
    if not isinstance(row.row, Example) or row.tools is None or not isinstance(row.plan, Plan):
        return False
    answer, gold = (conventions.plain(row.row.query, plan, row.tools) for plan in (row.plan, row.row.plan))
    return same(answer, gold, row.tools)
