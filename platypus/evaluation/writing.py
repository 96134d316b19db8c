"""The files of an evaluation: `scores.jsonl`, `report.json`, `report.md`, `report.html`; where figures come from."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from platypus.data.dataset import write_lines
from platypus.evaluation.answering import ScoredRow
from platypus.evaluation.comparison import SCORES
from platypus.evaluation.html_report import as_html
from platypus.evaluation.report import as_markdown
from platypus.evaluation.resuming import REPORT
from platypus.files import write_whole
from platypus.run.folder import Run, commit, versions

LEFT_OUT = ("by_", "published", "confusions")  # what the record of a stage leaves to report.json


def write_report(folder: Path, report: Mapping[str, Any], rows: Mapping[str, Sequence[ScoredRow]]) -> None:
    """Write all files. `rows` are the answered rows of each variant."""
    lines = [{"variant": variant, **row.to_json()} for variant, answered in rows.items() for row in answered]
    write_lines(folder / SCORES, lines)
    write_pages(folder, report, lines)


def write_pages(folder: Path, report: Mapping[str, Any], lines: Iterable[Mapping[str, Any]]) -> None:
    """Write the report as Markdown, HTML and, last, JSON; `lines` are those of `scores.jsonl`."""
    (folder / "report.md").write_text(as_markdown(report), encoding="utf-8", errors="backslashreplace")
    (folder / "report.html").write_text(as_html(report, lines), encoding="utf-8", errors="backslashreplace")
    write_whole(folder / REPORT, json.dumps(report, indent=2) + "\n")


def log_report(run: Run, report: Mapping[str, Any]) -> None:
    """Give the figures to the recipe's loggers but TensorBoard, which shows courses. Raises RecipeError."""
    loggers = [name for name in run.recipe.train.loggers if name != "tensorboard"]
    if loggers:
        from platypus.training.tracking import log_scores  # takes seconds to import

        log_scores(loggers, report["variants"], run=run.path.resolve().name)


def brief(report: Mapping[str, Any]) -> dict[str, Any]:
    """The report without its groups and curves."""
    variants = {
        name: {key: value for key, value in part.items() if not key.startswith(LEFT_OUT)}
        for name, part in report["variants"].items()
    }
    for part in variants.values():
        for name in part.keys() & {"apart", "confidence", "executed"}:
            part[name] = {key: value for key, value in part[name].items() if not isinstance(value, list)}
    return {**report, "variants": variants, "training": [], "curve": None}


def origin(*, seed: int, resamples: int) -> dict[str, Any]:
    """Where figures come from: seeds, and the versions of the program and the packages that count."""
    return {"seed": seed, "resamples": resamples, "versions": versions(), "commit": commit()}


def curve(path: Path) -> dict[str, Any] | None:
    """The learning curve in `curve.json`; None without the file."""
    found: dict[str, Any] | None = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    return found


def losses(path: Path) -> list[dict[str, float]]:
    """The loss of each step in a training's `metrics.jsonl`, and its loss on validation rows; none without the file."""
    if not path.is_file():
        return []
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return [{key: line[key] for key in ("step", "loss", "valid_loss") if key in line} for line in lines]
