"""Fits the confidence of a base to requests that no training has seen, and measures it on others.

    python benchmarks/confidence.py answer answers.jsonl                # decodes; goes on where it was interrupted
    python benchmarks/confidence.py score answers.jsonl                 # one JSON object for each set of requests
    python benchmarks/confidence.py fit answers.jsonl                   # writes confidence.json beside the base

`answer` asks a base as `platypus plan` does without a run, and keeps the evidence of each answer
(`inference/evidence.py`), so that fitting costs no decoding. Fitted are requests for random catalogues that no training
draws, one in five of them beyond the tools, and requests of people for services that no training has seen (`--spoken`).
Measured, and never fitted, are the strangers' requests and the clean rows of the seed's real test.

`score` has three confidences: the `probability` as it is, the `shipped` fit, and `apart`, fitted to all sets but the
one that it is measured on. `by chance` is the calibration error that a true confidence has on as many rows.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.spoken import drawn
from benchmarks.untrained import catalogues
from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Example
from platypus.evaluation.metrics import score as scored
from platypus.evaluation.summary import risk_coverage
from platypus.generation.tasks import random_task, read_real_tasks
from platypus.inference.calibration import Calibration, brier, calibration_error
from platypus.inference.evidence import FEATURES
from platypus.inference.opening import CONFIDENCE, UNTRAINED, open_untrained
from platypus.inference.planner import Planner
from platypus.model.bases import base_fingerprint, base_folder
from platypus.progress import track
from platypus.run.recipe import Recipe

FITTED = ("random", "spoken")
KEY = "confidence"  # in the keys of random catalogues, so that training never draws them
LONGEST = 160  # tokens of a plan
FOR, AGAINST = ("logit", "margin"), ("uncertain", "unfound", "unused", "unused_numbers", "invented")
STRENGTH = 0.1  # of the regression: the inverse of its penalty
DRAWS = 300  # of outcomes of a true confidence


class Asked(NamedTuple):
    """A request: the set that it belongs to, its tools, and the right plan."""

    set: str
    tools: Catalogue
    row: Example


def asked(options: argparse.Namespace) -> Iterator[Asked]:
    """All requests, those with the same tools together."""
    for number in range(options.catalogues):
        task = random_task(f"{options.seed}/{KEY}/{number}", tools=16, requests=4, refusals=0.2)
        yield from (Asked("random", task.catalogue, row) for row in task.examples)
    if options.spoken:
        chosen = options.answers.with_suffix(".spoken.jsonl")
        lines = drawn(options.spoken / "valid.jsonl", options.count)
        chosen.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        for task in read_real_tasks([str(chosen)]).tasks:
            yield Asked("spoken", task.catalogue, task.examples[0])
    for name, tools, rows in catalogues():
        yield from (Asked(name, tools, row) for row in rows)


def answer(options: argparse.Namespace) -> None:
    """Append the answers that are still missing to the file."""
    recipe = Recipe(base=options.base, decode=UNTRAINED)
    done = len(options.answers.read_text(encoding="utf-8").splitlines()) if options.answers.is_file() else 0
    first = open_untrained(Catalogue(()), recipe)
    tools, planner = None, first
    requests = [*asked(options)][done:]
    with options.answers.open("a", encoding="utf-8") as file:
        for one in track(requests, "answer", total=len(requests)):
            if one.tools is not tools:
                tools, planner = one.tools, first.with_tools(one.tools)
            print(json.dumps({"set": one.set, **answered(planner, one)}), file=file, flush=True)


def answered(planner: Planner, one: Asked) -> dict[str, Any]:
    """The answer's probability and evidence, and whether it is exact; no evidence if a limit cut it."""
    (said,) = planner.plan([one.row.query], max_new_tokens=LONGEST)
    exact = scored(said.plan, one.row.plan, one.tools).exact
    generated = {"generated": float(one.set == "random")}
    known = said.evidence | generated if said.finished and said.evidence else None
    return {"request": one.row.query, "exact": exact, "probability": said.probability, "evidence": known}


# ---------------------------------------------------------------- fitting and measuring


Line = dict[str, Any]


def fitted(lines: Sequence[Line]) -> Calibration:
    """The weights of the evidence in a logistic regression over these lines, where evidence against can only lower."""
    known = [line for line in lines if line["evidence"]]
    points = np.array([[line["evidence"][name] for name in FEATURES] for line in known])
    signs = np.where([line["exact"] for line in known], 1.0, -1.0)
    mean, scale = points.mean(axis=0), points.std(axis=0) + 1e-9
    scaled = (points - mean) / scale

    def loss(at: NDArray[np.float64]) -> float:
        return float(np.logaddexp(0, -signs * (scaled @ at[:-1] + at[-1])).sum() + at[:-1] @ at[:-1] / (2 * STRENGTH))

    bounds = [(0, None) if name in FOR else (None, 0) if name in AGAINST else (None, None) for name in FEATURES]
    found = minimize(loss, np.zeros(len(FEATURES) + 1), bounds=[*bounds, (None, None)]).x
    weights = found[:-1] / scale
    named = {name: round(float(weight), 5) for name, weight in zip(FEATURES, weights, strict=True)}
    return Calibration(weights=named, bias=round(float(found[-1] - weights @ mean), 5))


def confidences(calibration: Calibration, lines: Sequence[Line]) -> list[float]:
    """The confidence in each answer; 0 for one that a limit cut."""
    return [
        calibration.confidence(line["probability"], line["evidence"]) if line["evidence"] else 0.0 for line in lines
    ]


def measured(known: Sequence[float], exact: Sequence[bool]) -> dict[str, Any]:
    """What these confidences are worth."""
    chance, rng = np.array(known), np.random.default_rng(0)
    errors = [calibration_error(known, (rng.random(len(known)) < chance).tolist()) for _ in range(DRAWS)]
    surest = np.argsort(-chance, kind="stable")[: len(known) // 2]
    return {
        **{"rows": len(known), "exact": np.mean(exact), "confidence": chance.mean()},
        **{"calibration_error": calibration_error(known, exact), "by chance": np.mean(errors)},
        **{"brier": brier(known, exact), "exact of the surest half": np.mean(np.array(exact)[surest])},
        "risk_coverage": risk_coverage(known, exact),
    }


def score(options: argparse.Namespace) -> None:
    """Print the measures of each set, and of all sets together that are never fitted."""
    lines = read(options.answers)
    sets = {name: [line for line in lines if line["set"] == name] for name in dict.fromkeys(x["set"] for x in lines)}
    shipped = fitted([line for line in lines if line["set"] in FITTED])
    known: dict[str, dict[str, list[float]]] = {"probability": {}, "shipped": {}, "apart": {}}
    for name, own in sets.items():
        known["probability"][name] = confidences(Calibration(), own)
        known["apart"][name] = confidences(fitted([line for line in lines if line["set"] != name]), own)
        if name not in FITTED:
            known["shipped"][name] = confidences(shipped, own)
    groups = {name: [name] for name in sets} | {"all measured": [name for name in sets if name not in FITTED]}
    for name, members in groups.items():
        exact = [line["exact"] for member in members for line in sets[member]]
        for what, of in known.items():
            if members and all(member in of for member in members):
                values = [value for member in members for value in of[member]]
                print(json.dumps({"set": name, "of": what, **measured(values, exact)}, default=float))


def fit(options: argparse.Namespace) -> None:
    """Write the calibration beside the base."""
    calibration = fitted([line for line in read(options.answers) if line["set"] in FITTED])
    file = base_folder(options.base) / CONFIDENCE
    known = {"base": base_fingerprint(options.base), "calibration": asdict(calibration)}
    file.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
    print(file)


def read(path: Path) -> list[Line]:
    """The answers in a file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def main() -> None:
    """Answer, score or fit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in (answer, score, fit):
        of = commands.add_parser(command.__name__)
        of.set_defaults(command=command)
        of.add_argument("answers", type=Path)
        of.add_argument("--base", default="embedded")
        of.add_argument("--seed", type=int, default=0)
        of.add_argument("--catalogues", type=int, default=100, help="random ones, with four requests each")
        of.add_argument("--spoken", type=Path, help="the folder of `spoken.py split`")
        of.add_argument("--count", type=int, default=300, help="spoken requests")
    options = parser.parse_args()
    options.command(options)


if __name__ == "__main__":
    main()
