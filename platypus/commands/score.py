"""score: scores the answers in a file against gold plans, whoever gave them; no model is loaded.

Rows without an answer are wrong. With `--out`, writes what `evaluation/writing.py` writes, and which files were scored;
a folder never mixes two evaluations.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Example, Rejected
from platypus.data.fingerprints import source_fingerprint
from platypus.errors import DatasetError
from platypus.evaluation.answering import scored
from platypus.evaluation.gold import read_gold
from platypus.evaluation.predictions import read_predictions
from platypus.evaluation.resuming import EvaluationFolder
from platypus.evaluation.summary import examples, summary
from platypus.evaluation.writing import brief, origin, write_report

RESAMPLES = 1000


def score_file(
    gold: str,
    predictions: str,
    *,
    catalogue: Catalogue | None,
    skip_bad: bool,
    seed: int,
    out: Path | None,
    force: bool = False,
) -> Mapping[str, Any]:
    """The report on the predictions, without its groups.

    Raises DatasetError, and RunError where `out` holds something else; with `force`, another evaluation is replaced.
    """
    known = read_gold(gold, catalogue, skip_bad=skip_bad)
    rows = [row for row in known.rows if isinstance(row, Example)]
    if len(rows) < len(known.rows):
        raise DatasetError("holds rows without a plan", where=gold, remedy="Only plans are scored.")
    chosen = [row for row in known.chosen if isinstance(row, Example | Rejected)]
    answers = read_predictions(predictions, chosen, catalogue)
    fingerprints = {
        "gold": source_fingerprint(gold) or gold,
        "predictions": source_fingerprint(predictions) or predictions,
    }
    tools = catalogue.fingerprint if catalogue else None
    measured = {**fingerprints, "tools": tools, "skip_bad": skip_bad, "seed": seed}
    folder = EvaluationFolder.open(out, measured, force=force) if out else None
    judged = [
        scored(row, answer, row.known_tools(catalogue) or Catalogue(()))
        for row, answer in zip(rows, answers, strict=True)
    ]
    name = Path(predictions).stem
    report = {
        "rows": len(rows),
        "of": known.of,
        "data": gold,
        "left_out": known.remark(),
        **origin(seed=seed, resamples=RESAMPLES),
        "fingerprints": fingerprints,
        "variants": {name: {"model": predictions, **summary(judged, resamples=RESAMPLES, seed=seed)}},
        "examples": examples({name: judged}),
    }
    if folder:
        write_report(folder.path, report, {name: judged})
    return brief(report)
