"""curve: tells how accuracy grows with the number of training examples, and what more of them would bring.

For each number, a run of its own in `curve/` of the run learns so many of the training rows, the smaller sets being
parts of the larger ones, and is scored on the test rows. What is done is skipped. Writes `curve/curve.json`, `curve.md`
and `curve.svg`.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from platypus.errors import DatasetError
from platypus.evaluation.clusters import clusters_of
from platypus.evaluation.comparison import read_answers, row_of
from platypus.evaluation.intervals import Ratio
from platypus.evaluation.learning_curve import Curve, curve
from platypus.evaluation.metrics import score_of_json
from platypus.evaluation.plots import can_plot, learning_curve
from platypus.reports import markdown_table
from platypus.run.branches import branch
from platypus.run.folder import Run

FOLDER = "curve"
RESAMPLES = 2000
BRIEF = {"evaluate.before": False, "evaluate.confidence": False}  # a curve needs neither


@dataclass(frozen=True)
class Sizes:
    """A number of examples, and a run for each seed."""

    examples: int
    runs: Sequence[Run]


def sized_runs(run: Run, examples: Sequence[int], *, seeds: int) -> list[Sizes]:
    """A run for each number of examples and seed. Raises DatasetError if there are fewer training rows, RunError."""
    with (run.folder("refine") / "train.jsonl").open(encoding="utf-8", newline="\n") as file:
        lines = list(file)  # a text may hold line ends of Unicode
    if max(examples) > len(lines):
        what = f"there are {len(lines)} training rows, fewer than {max(examples)}"
        remedy = "Ask for fewer, or generate more: examples under [generate]."
        raise DatasetError(what, where=str(run.folder("refine") / "train.jsonl"), remedy=remedy)
    return [
        Sizes(size, [_sized(run, lines, size, seed) for seed in range(run.recipe.seed, run.recipe.seed + seeds)])
        for size in sorted(set(examples))
    ]


def _sized(run: Run, lines: Sequence[str], size: int, seed: int) -> Run:
    """A run whose training rows are a part of the run's, drawn by the seed."""
    recipe = run.changed({**BRIEF, "seed": seed}, where="curve")
    part = branch(run, f"{FOLDER}/{size}/seed-{seed}", recipe)

    def draw(folder: Path) -> Mapping[str, Any]:
        chosen = Random(seed).sample(lines, len(lines))[:size]
        (folder / "train.jsonl").write_text("".join(chosen), encoding="utf-8")
        for name in ("valid.jsonl", "test.jsonl"):
            shutil.copyfile(run.folder("refine") / name, folder / name)
        return {"examples": size}

    part.perform("refine", inputs={"refine": run.fingerprint("refine")}, settings={"examples": size}, work=draw)
    return part


def curve_of(run: Run, sizes: Sequence[Sizes]) -> Curve:
    """The curve through sizes that are trained and scored; each test row counts with its mean over the seeds."""
    read = [[read_answers(str(one.path)).lines for one in size.runs] for size in sizes]
    keys = list(read[0][0])
    means = [
        [Ratio(sum(bool(score_of_json(lines[key]["score"]).exact) for lines in seeds) / len(seeds), 1) for key in keys]
        for seeds in read
    ]
    clusters = clusters_of([row_of(read[0][0][key]) for key in keys])
    drawn: dict[str, Any] = {"clusters": clusters, "resamples": RESAMPLES, "seed": run.recipe.seed}
    found = curve([size.examples for size in sizes], means, **drawn)
    folder = run.path / FOLDER
    (folder / "curve.json").write_text(json.dumps(found.to_json(), indent=2) + "\n", encoding="utf-8")
    shown = ""
    if can_plot():
        (folder / "curve.svg").write_text(learning_curve("curve", found.to_json()), encoding="utf-8")
        shown = "![Exact plans by training examples](curve.svg)\n\n"
    table = markdown_table(curve_rows(found))
    text = f"# Exact plans by training examples\n\n{table}\n\n{shown}{found.verdict()}\n"
    (folder / "curve.md").write_text(text, encoding="utf-8")
    return found


def curve_rows(found: Curve) -> list[list[str]]:
    """A heading, then a row for each size, measured or expected."""
    measured = [[f"{n:,}", str(value), "measured"] for n, value in zip(found.examples, found.values, strict=True)]
    expected = [[f"{forecast.examples:,}", str(forecast), "expected"] for forecast in found.forecasts]
    return [["examples", "exact plans", ""], *measured, *expected]
