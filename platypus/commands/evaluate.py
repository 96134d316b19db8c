"""evaluate: scores the base and the fine-tuned model on every test row.

Writes `scores.jsonl` (for each row and variant: request, gold, answer, plan or problems, score), `report.json`,
`report.md`, and `confidence.json`, the calibration of the fine-tuned model, fitted to its answers to the validation
rows. The denominator is always the whole test set. docs/metrics.md defines the metrics.
"""

import gc
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from platypus.data.dataset import Example, read_dataset, write_lines
from platypus.evaluation.answering import ScoredRow, answer_rows, request_and_gold
from platypus.evaluation.metrics import Score, Scored, TextScore, grouped, summarise
from platypus.evaluation.report import as_markdown
from platypus.inference.calibration import Calibration, brier, calibration_error
from platypus.inference.opening import CONFIDENCE, is_merged, open_base, open_planner
from platypus.plan.plan import Malformed
from platypus.run.folder import Outcome, Run

FITTED = 500  # the most validation rows that confidence is fitted to
SHOWN = 3  # examples in the report


def evaluate(run: Run, *, force: bool = False) -> Outcome:
    """Score the run's fine-tuned model (merged, if there is a merged one) and its base on refine/test.jsonl.

    Without test rows there is nothing to score, and the results say so.
    """
    model = "merge" if is_merged(run) else "train"
    return run.perform(
        "evaluate",
        inputs={"refine": run.fingerprint("refine"), model: run.fingerprint(model)},
        settings=run.recipe.evaluate.model_dump() | {"decode": run.recipe.decode.model_dump(exclude={"keep_prefix"})},
        work=lambda folder: _evaluate(run, folder),
        force=force,
    )


# ---------------------------------------------------------------- answers and scores


def _evaluate(run: Run, folder: Path) -> Mapping[str, Any]:
    """Write the answers, scores and report of every variant; return the report without its groups."""
    settings = run.recipe.evaluate
    test_file = run.folder("refine") / "test.jsonl"
    if not test_file.stat().st_size:
        return _nothing_to_score(folder)
    test = read_dataset(str(test_file), run.catalogue).rows
    rows = test[: settings.limit]
    openers = {"before": open_base, "after": open_planner} if settings.before else {"after": open_planner}
    scored_rows: dict[str, list[ScoredRow]] = {}
    variants: dict[str, dict[str, Any]] = {}
    for variant, opener in openers.items():
        planner = opener(run)
        started = time.monotonic()
        scored_rows[variant] = answer_rows(planner, rows, settings, variant)
        seconds = time.monotonic() - started
        variants[variant] = {
            "model": planner.loaded.source,
            "seconds": round(seconds, 3),
            "tokens_per_second": round(sum(row.tokens for row in scored_rows[variant]) / seconds, 1),
            **_summary(scored_rows[variant], settings.resamples, run.recipe.seed),
        }
        if variant == "after" and any(row.probability is not None for row in scored_rows[variant]):
            valid = read_dataset(str(run.folder("refine") / "valid.jsonl"), run.catalogue).rows[: settings.limit]
            plans = [row for row in valid if isinstance(row, Example)][:FITTED]
            calibration = _calibration(answer_rows(planner, plans, settings, "confidence"))
            calibration.save(folder / CONFIDENCE)
            least = run.recipe.decode.min_confidence
            variants[variant]["confidence"] = _confidence(scored_rows[variant], calibration, least)
        del planner
        gc.collect()  # frees the model now: its reference cycles would keep it while the next is loaded
    report = {"rows": len(rows), "of": len(test), "variants": variants, "examples": _examples(scored_rows)}
    _write_report(folder, report, scored_rows)
    slim = {name: {k: v for k, v in part.items() if not k.startswith("by_")} for name, part in variants.items()}
    return {**report, "variants": slim}


def _nothing_to_score(folder: Path) -> Mapping[str, Any]:
    """The files of an evaluation without test rows."""
    reason = "There is nothing to score: refine/test.jsonl has no rows. See test_fraction and test under [refine]."
    report = {"rows": 0, "of": 0, "variants": {}, "examples": [], "reason": reason}
    _write_report(folder, report, {})
    return report


def _write_report(folder: Path, report: Mapping[str, Any], scored_rows: Mapping[str, Sequence[ScoredRow]]) -> None:
    write_lines(
        folder / "scores.jsonl", ({"variant": v, **row.to_json()} for v in scored_rows for row in scored_rows[v])
    )
    (folder / "report.json").write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "report.md").write_text(as_markdown(report), encoding="utf-8")


def _summary(scored_rows: Sequence[ScoredRow], resamples: int, seed: int) -> dict[str, Any]:
    """The metrics over all rows, by length and tool of the gold plan, and the first problems of malformed answers."""
    plans = [row.score for row in scored_rows if isinstance(row.score, Score)]
    texts = [row.score for row in scored_rows if isinstance(row.score, TextScore)]

    def measures(scores: Sequence[Scored]) -> dict[str, Any]:
        summary = summarise(scores, resamples=resamples, seed=seed)
        return {name: asdict(interval) for name, interval in summary.items()}

    by_length = grouped(plans, lambda score: [str(score.length)])
    by_tool = grouped(plans, lambda score: score.uses)
    problems = Counter(row.plan.problems[0].kind for row in scored_rows if isinstance(row.plan, Malformed))
    return {
        "measures": measures(plans) | measures(texts),
        "by_length": {length: measures(scores) for length, scores in by_length.items()},
        "by_tool": {tool: measures(scores) for tool, scores in by_tool.items()},
        "malformed": dict(problems.most_common()),
        "cut": sum(row.cut for row in scored_rows),
    }


# ---------------------------------------------------------------- confidence


def _calibration(scored_rows: Sequence[ScoredRow]) -> Calibration:
    """The calibration of the model's probabilities, fitted to these rows."""
    answers = [(row.probability, row.score.exact) for row in scored_rows if row.probability is not None and not row.cut]
    return Calibration.fit([probability for probability, _ in answers], [exact for _, exact in answers])


def _confidence(scored_rows: Sequence[ScoredRow], calibration: Calibration, least: float) -> dict[str, Any]:
    """How well probability and confidence predict exact plans, and the effect of abstaining below `least`."""
    rows = [row for row in scored_rows if row.probability is not None]
    exact = [row.score.exact for row in rows]
    probabilities = [row.probability or 0.0 for row in rows]
    confidences = [0.0 if row.cut else calibration.confidence(p) for row, p in zip(rows, probabilities, strict=True)]
    sure = [right for right, confidence in zip(exact, confidences, strict=True) if confidence >= least]
    return {
        "fitted_rows": calibration.rows,
        "brier": {
            "probability": round(brier(probabilities, exact), 4),
            "confidence": round(brier(confidences, exact), 4),
        },
        "calibration_error": {
            "probability": round(calibration_error(probabilities, exact), 4),
            "confidence": round(calibration_error(confidences, exact), 4),
        },
        "min_confidence": least,
        "not_sure": len(rows) - len(sure),
        "exact_if_sure": round(sum(sure) / len(sure), 4) if sure else None,
    }


def _examples(scored_rows: Mapping[str, Sequence[ScoredRow]]) -> list[dict[str, Any]]:
    """A few rows, evenly spread over the test set, with the answers of every variant."""
    first = next(iter(scored_rows.values()))
    chosen = range(0, len(first), max(1, len(first) // SHOWN))[:SHOWN]
    return [
        {**request_and_gold(first[i].row), **{variant: rows[i].text for variant, rows in scored_rows.items()}}
        for i in chosen
    ]
