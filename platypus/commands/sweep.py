"""sweep: trains and scores all combinations of some settings, each with several seeds, on the same rows.

Each is a run of its own in `sweep/` of the run: it shares the rows of `refine` and the base, trains an adapter, and is
scored on the test rows. What is done is skipped, so a sweep can be interrupted, and extended by further values. Writes
`sweep/table.md`, `table.json` and `table.svg`.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from platypus.data.dataset import Example
from platypus.evaluation.answering import request_and_gold
from platypus.evaluation.comparison import read_answers
from platypus.evaluation.metrics import Score, TextScore, score, score_text
from platypus.evaluation.plots import can_plot, rates
from platypus.evaluation.search import Search
from platypus.evaluation.sweep import (
    Line,
    Tried,
    as_rows,
    as_short_rows,
    check_metric,
    labels,
    name_of,
    parse_settings,
    table,
    verdict,
)
from platypus.reports import escaped, markdown_table
from platypus.run.branches import branch, share
from platypus.run.folder import Run
from platypus.run.refined import refined_rows

FOLDER = "sweep"


@dataclass(frozen=True)
class Combination:
    """Some settings, and a run for each seed."""

    settings: Mapping[str, Any]
    runs: Sequence[Run]


@dataclass(frozen=True)
class Swept:
    """The table of a sweep, the best settings first."""

    lines: Sequence[Line]
    metric: str

    def to_json(self) -> dict[str, Any]:
        """The table, and what it says."""
        return {"metric": self.metric, "lines": [line.to_json() for line in self.lines], "verdict": verdict(self.lines)}

    def rows(self) -> list[list[str]]:
        """A heading, then a row for each combination, narrow enough for a terminal."""
        return as_short_rows(self.lines, self.metric)

    def verdict(self) -> str:
        """What the table says of the choice."""
        return verdict(self.lines)


def tried(
    run: Run,
    settings: Sequence[str],
    *,
    seeds: int,
    metric: str = "exact",
    search: int | None = None,
    work: Callable[[Run], None],
) -> list[Combination]:
    """All combinations, or with `search` so many that promise most, after `work` (train, evaluate) on each run.

    Raises RecipeError for a wrong metric or value before anything is trained.
    """
    check_metric(metric, _right(run))
    if search is None:
        every = combinations(run, settings, seeds=seeds)
        for one in (one for combination in every for one in combination.runs):
            work(one)
        return every
    study, found = Search(settings, seed=run.recipe.seed), list[Combination]()
    for values in study.samples():
        run.changed(values, where="--set")
    while len(found) < min(search, study.size):
        found.append(combination(run, study.ask(), seeds=seeds))
        for one in found[-1].runs:
            work(one)
        study.tell(found[-1].settings, swept(run, found[-1:], metric=metric).lines[0].value.value)
    return found


def _right(run: Run) -> Iterator[Score | TextScore]:
    """The scores that right answers to the test rows would have."""
    for row in refined_rows(run, "test")[: run.recipe.evaluate.limit]:
        tools = row.known_tools(run.catalogue) if isinstance(row, Example) else None
        if isinstance(row, Example) and tools is not None:
            yield score(row.plan, row.plan, tools)
        else:
            text = str(request_and_gold(row)["gold"])
            yield score_text(text, text)


def combinations(run: Run, settings: Sequence[str], *, seeds: int) -> list[Combination]:
    """A run for each combination of settings and seed, with the rows of `run`. Raises RecipeError, RunError."""
    return [combination(run, values, seeds=seeds) for values in parse_settings(settings)]


def combination(run: Run, values: Mapping[str, Any], *, seeds: int) -> Combination:
    """A run for each seed with these settings and the rows of `run`. Raises RecipeError, RunError."""
    runs = []
    for seed in range(run.recipe.seed, run.recipe.seed + seeds):
        changes = {**values, "seed": seed, "evaluate.before": False, "evaluate.confidence": False}
        recipe = run.changed(changes, where="--set")
        runs.append(branch(run, f"{FOLDER}/{name_of(values)}/seed-{seed}", recipe))
        share(run, "refine", runs[-1])
    return Combination(values, runs)


def swept(run: Run, tried: Sequence[Combination], *, metric: str) -> Swept:
    """The table of combinations that are trained and scored. Raises RecipeError for an unknown metric."""
    found = Swept(table([_tried(one) for one in tried], metric, seed=run.recipe.seed), metric)
    folder = run.path / FOLDER
    (folder / "table.json").write_text(json.dumps(found.to_json(), indent=2) + "\n", encoding="utf-8")
    cells = [[escaped(cell) for cell in row] for row in as_rows(found.lines, metric)]
    shown = ""
    if can_plot():
        named = zip(labels(found.lines), found.lines, strict=True)
        values = {label: {metric: asdict(line.value)} for label, line in named}
        (folder / "table.svg").write_text(rates("sweep", values), encoding="utf-8")
        shown = "![The best combinations](table.svg)\n\n"
    text = f"# Sweep\n\n{markdown_table(cells)}\n\n{shown}{found.verdict()}\n"
    (folder / "table.md").write_text(text, encoding="utf-8")
    return found


def _tried(one: Combination) -> Tried:
    records = [run.record("train") for run in one.runs]
    answers = [read_answers(str(run.path)) for run in one.runs]
    seconds = sum(record["seconds"] for record in records) / len(records)
    results = records[0]["results"]
    return Tried(one.settings, answers, results["trainable_parameters"], seconds, results.get("memory", 0))
