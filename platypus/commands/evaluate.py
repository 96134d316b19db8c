"""evaluate: scores the base and the fine-tuned model on every test row.

Writes what `evaluation/writing.py` writes, and `confidence.json`, the calibration of the fine-tuned model: that of the
base, corrected by its answers to the validation rows. The denominator is always the whole test set. docs/metrics.md
defines the metrics.
"""

import gc
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from platypus.data.dataset import Example, Row
from platypus.evaluation.answering import ScoredRow, answer_rows
from platypus.evaluation.apart import apart_from
from platypus.evaluation.executed import MockRuns
from platypus.evaluation.summary import calibration_for, confidence, examples, summary
from platypus.evaluation.writing import brief, curve, log_report, losses, origin, write_report
from platypus.generation.plans.conventions import Conventions
from platypus.inference.opening import CONFIDENCE, base_calibration, is_merged, open_base, open_planner
from platypus.inference.planner import Planner
from platypus.run.folder import Outcome, Run
from platypus.run.refined import refined_rows
from platypus.run.toolboxes import mock_toolbox

FITTED = 500  # the most validation rows that confidence is fitted to


def evaluate(run: Run, *, force: bool = False) -> Outcome:
    """Score the run's fine-tuned model (merged, if there is a merged one) and its base on refine/test.jsonl.

    Without test rows there is nothing to score, and the results say so.
    """
    model = "merge" if is_merged(run) else "train"
    return run.perform(
        "evaluate",
        inputs={"refine": run.fingerprint("refine"), model: run.fingerprint(model)},
        settings=run.recipe.evaluate.model_dump()
        | {"decode": run.recipe.decode.model_dump(exclude={"keep_prefix"})}
        | run.recipe.conventions.changed,
        work=lambda folder: _evaluate(run, folder),
        force=force,
    )


def _evaluate(run: Run, folder: Path) -> Mapping[str, Any]:
    """Write the answers, scores and report of every variant; return the report without its groups."""
    settings = run.recipe.evaluate
    test = refined_rows(run, "test")
    if not test:
        return _nothing_to_score(folder)
    rows = test[: settings.limit]
    mock = mock_toolbox(run)
    runs = MockRuns(mock) if mock else None
    conventions = _conventions(run)
    drawn = {"resamples": settings.resamples, "seed": run.recipe.seed}
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
            **summary(scored_rows[variant], **drawn),
        }
        if apart := apart_from(conventions, scored_rows[variant], **drawn):
            variants[variant]["apart"] = apart
        if runs:
            variants[variant]["executed"] = runs.summary(scored_rows[variant], **drawn)
        calibrated = variant == "after" and settings.confidence
        if calibrated and any(row.probability is not None for row in scored_rows[variant]):
            variants[variant]["confidence"] = _confidence(run, planner, scored_rows[variant], folder)
        del planner
        gc.collect()  # frees the model now: its reference cycles would keep it while the next is loaded
    report = {
        "rows": len(rows),
        "of": len(test),
        "data": "refine/test.jsonl",
        **origin(**drawn),
        "variants": variants,
        "examples": examples(scored_rows),
        "training": losses(run.path / "train" / "metrics.jsonl") if run.is_done("train") else [],
        "curve": curve(run.path / "curve" / "curve.json"),
    }
    write_report(folder, report, scored_rows)
    log_report(run, report)
    return brief(report)


def _conventions(run: Run) -> Conventions:
    """What the recipe says, and the habits of the training rows that were not generated."""
    train = run.folder("refine") / "train.jsonl"
    if run.catalogue is None:
        return Conventions()
    rows = refined_rows(run, "train") if train.exists() and train.stat().st_size else ()
    return Conventions.learn(filter(_is_own, rows), run.catalogue, run.recipe.conventions)


def _is_own(row: Row) -> bool:
    return str(row.origin.get("source", "")).partition(":")[0] not in ("generate", "teacher")


def _confidence(run: Run, planner: Planner, answered: Sequence[ScoredRow], folder: Path) -> dict[str, Any]:
    """Fit the calibration to validation rows, and save it; how good it is on the test rows."""
    settings = run.recipe.evaluate
    plans = [row for row in refined_rows(run, "valid")[: settings.limit] if isinstance(row, Example)][:FITTED]
    fitted_to = answer_rows(planner, plans, settings, "confidence")
    calibration = calibration_for(fitted_to, base_calibration(run.recipe.base))
    calibration.save(folder / CONFIDENCE)
    return confidence(answered, calibration, least=run.recipe.decode.min_confidence)


def _nothing_to_score(folder: Path) -> Mapping[str, Any]:
    """The files of an evaluation without test rows."""
    reason = "There is nothing to score: refine/test.jsonl has no rows. See test_fraction and test under [refine]."
    report = {"rows": 0, "of": 0, "variants": {}, "examples": [], "reason": reason}
    write_report(folder, report, {})
    return report
