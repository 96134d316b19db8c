"""evaluate --data: scores any planner on any test set: a run, the embedded base as it is, or an endpoint.

Rows are planned with their own tools, else with those of `--catalogue`, else with the run's. Answers are written as
they come; the same command goes on where it was interrupted. Writes what `evaluation/writing.py` writes.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Example, Row
from platypus.data.fingerprints import source_fingerprint
from platypus.data.locations import parse_address
from platypus.errors import DatasetError, RunError
from platypus.evaluation.answering import ScoredRow, answer_rows, restored
from platypus.evaluation.executed import MockRuns
from platypus.evaluation.gold import Gold, read_gold
from platypus.evaluation.remote import Ask, answer_remotely
from platypus.evaluation.resuming import EvaluationFolder
from platypus.evaluation.summary import confidence, examples, summary
from platypus.evaluation.writing import brief, log_report, origin, write_pages
from platypus.generation.teacher.endpoint import Endpoint
from platypus.inference.calibration import Calibration
from platypus.inference.opening import UNTRAINED, is_merged, open_planner, open_untrained
from platypus.progress import Progress
from platypus.run.folder import Outcome, Run
from platypus.run.recipe import Recipe
from platypus.run.settings import Decoding, TeacherSettings
from platypus.run.toolboxes import mock_toolbox

AT_ONCE = 32  # rows between two writes


@dataclass(frozen=True)
class DataOptions:
    """What is measured on which rows: the `model` at `endpoint`, else the run, else `base`.

    Plans are run with the `mock` tools, if there are any.
    """

    data: str
    catalogue: Catalogue | None = None
    limit: int | None = None
    shuffle: bool = False
    skip_bad: bool = False
    endpoint: str | None = None
    model: str | None = None
    ask: Ask = "calls"
    decoding: Decoding | None = None
    mock: tuple[str, ...] = ()
    base: str = "embedded"
    out: Path | None = None


@dataclass(frozen=True)
class _Planner:
    """Who answers: the name in tables, where it comes from, and the answers to some rows."""

    name: str
    source: str
    answer: Callable[[Sequence[Row]], list[ScoredRow]]
    calibration: Calibration | None = None


def evaluate_data(run: Run | None, options: DataOptions, *, force: bool = False) -> Outcome:
    """Score the planner on the rows. Raises the errors of reading rows, opening models and asking endpoints."""
    place = _place(run, options)
    recipe = run.recipe if run else Recipe(base=options.base, decode=UNTRAINED).decoded(options.decoding, seconds=None)
    catalogue = options.catalogue or (run.catalogue if run else None)
    shuffle = recipe.seed if options.shuffle else None
    gold = read_gold(options.data, catalogue, limit=options.limit, shuffle=shuffle, skip_bad=options.skip_bad)
    measured = _measured(run, options, recipe, catalogue)
    folder = EvaluationFolder.open(place, measured, force=force)
    if report := folder.report():
        return Outcome("evaluate", folder.path, skipped=True, seconds=report["seconds"], results=brief(report))
    before = time.monotonic()
    mock = mock_toolbox(run, options.mock)
    planner = _planner(run, options, recipe, catalogue, folder)
    rows = _answered(planner, gold, catalogue, folder)
    part = {"model": planner.source, **summary(rows, resamples=recipe.evaluate.resamples, seed=recipe.seed)}
    if mock:
        part["executed"] = MockRuns(mock).summary(rows, resamples=recipe.evaluate.resamples, seed=recipe.seed)
    if planner.calibration and any(row.probability is not None for row in rows):
        part["confidence"] = confidence(rows, planner.calibration, least=recipe.decode.min_confidence)
    report = {
        "rows": len(gold.rows),
        "of": gold.of,
        "data": options.data,
        "left_out": gold.remark(),
        **{**origin(seed=recipe.seed, resamples=recipe.evaluate.resamples), "fingerprints": measured},
        "variants": {planner.name: part},
        "examples": examples({planner.name: rows}),
        "seconds": round(time.monotonic() - before, 3),
    }
    write_pages(folder.path, report, folder.lines())
    if run:
        log_report(run, report)
    return Outcome("evaluate", folder.path, skipped=False, seconds=report["seconds"], results=brief(report))


def _answered(planner: _Planner, gold: Gold, catalogue: Catalogue | None, folder: EvaluationFolder) -> list[ScoredRow]:
    """All rows, those answered by an earlier process first."""
    lines = folder.lines()
    rows = [restored(line, row, catalogue) for line, row in zip(lines, gold.rows, strict=False)]
    with Progress(f"evaluate ({planner.name})", len(gold.rows), done=len(rows)) as progress:
        while len(rows) < len(gold.rows):
            answered = planner.answer(gold.rows[len(rows) : len(rows) + AT_ONCE])
            folder.add({"variant": planner.name, **row.to_json()} for row in answered)
            rows += answered
            progress.update(len(rows))
    return rows


def _place(run: Run | None, options: DataOptions) -> Path:
    """The folder: `--out`, else one in the run that is named by data and endpoint."""
    if options.out:
        return options.out
    if run is None:
        raise RunError("there is no place for the evaluation", remedy="Give a run, or a folder with --out.")
    named = [Path(options.data).stem, *([options.model] if options.model else [])]
    return run.path / "evaluations" / "-".join(part.replace("/", "-") for part in named)


def _measured(run: Run | None, options: DataOptions, recipe: Recipe, catalogue: Catalogue | None) -> dict[str, Any]:
    """What makes this evaluation another one than those with other rows, another model or other settings."""
    settings = recipe.evaluate.model_dump(exclude={"before", "limit", "batch_size"}) | {"seed": recipe.seed}
    settings |= {"limit": options.limit, "shuffle": options.shuffle, "skip_bad": options.skip_bad}
    settings |= {"mock": [*options.mock]} if options.mock else {}
    model: Any = {"endpoint": options.endpoint, "model": options.model, "ask": options.ask}
    if not options.endpoint:
        stage = run and ("merge" if is_merged(run) else "train")
        model = run.fingerprint(stage) if run and stage and run.is_done(stage) else _base(recipe.base)
        settings |= {"decode": recipe.decode.model_dump(exclude={"keep_prefix"})}
    tools = catalogue.fingerprint if catalogue else None
    rows, address = source_fingerprint(options.data) or options.data, parse_address(options.data)
    part = {"part": [address.subset, address.split]} if address.subset or address.split else {}
    return {"rows": rows, **part, "tools": tools, "model": model, **settings}


def _base(source: str) -> str:
    """What tells a base from another one, also where the embedded one is replaced."""
    from platypus.model.bases import base_fingerprint

    return base_fingerprint(source)


def _planner(
    run: Run | None, options: DataOptions, recipe: Recipe, catalogue: Catalogue | None, folder: EvaluationFolder
) -> _Planner:
    if options.endpoint:
        return _remote(options, catalogue, folder)
    if run:
        planner, name = open_planner(run, catalogue=options.catalogue), run.path.resolve().name
    else:
        planner, name = open_untrained(catalogue or Catalogue(()), recipe), "base"

    def answer(rows: Sequence[Row]) -> list[ScoredRow]:
        return answer_rows(planner, rows, recipe.evaluate)

    return _Planner(name, planner.loaded.source, answer, planner.calibration)


def _remote(options: DataOptions, catalogue: Catalogue | None, folder: EvaluationFolder) -> _Planner:
    """The model behind the endpoint. Its replies are stored one by one, so that none is paid for twice."""
    settings = TeacherSettings(model=options.model, base_url=options.endpoint or "")

    async def asked(rows: Sequence[Example]) -> list[ScoredRow]:
        async with Endpoint(settings, folder.path / "replies", who="endpoint", patient=True) as endpoint:
            return await answer_remotely(endpoint, rows, catalogue, ask=options.ask)

    def answer(rows: Sequence[Row]) -> list[ScoredRow]:
        examples = [row for row in rows if isinstance(row, Example)]
        if len(examples) < len(rows):
            raise DatasetError(
                "holds rows that are answered in text, which are not asked of an endpoint", where=options.data
            )
        return asyncio.run(asked(examples))

    return _Planner(options.model or "", f"{options.model} at {options.endpoint}", answer)
