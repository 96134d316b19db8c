"""Runs a recipe with several seeds, optionally with other settings; prints means and intervals over the test rows.

    python benchmarks/seeds.py runs/generated --recipe recipes/seed-generated.toml
    python benchmarks/seeds.py runs/more --recipe recipes/seed-generated.toml --set generate.examples=6000
    python benchmarks/seeds.py runs/own --recipe recipes/seed-data.toml --where clean=../shared/data/seed/test.jsonl

Runs `platypus all` for each seed in the given folder (complete stages are skipped) and prints, as JSON, the mean
metrics before and after, with 95% bootstrap intervals over clusters of test rows (each row's mean over the seeds), and
the exact plans of each seed. `--where FLAG=FILE` counts only requests whose row in the file has that flag. With
`--but-for ARGUMENT`, that argument is ignored when plans are compared.
"""

import argparse
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from platypus.catalogue.reading import read_catalogue
from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Example
from platypus.evaluation.clusters import clusters_of
from platypus.evaluation.intervals import Ratio, interval
from platypus.plan.equality import same
from platypus.plan.plan import Malformed, Plan, Step, plan_from_json

ROOT = Path(__file__).parents[1]
MEASURES = ("valid", "exact", "tool_sequence")


def toml(tables: dict[str, Any]) -> str:
    """A recipe as text: plain keys, and tables of plain keys."""
    plain = {key: value for key, value in tables.items() if not isinstance(value, dict)}
    lines = [f"{key} = {json.dumps(value)}" for key, value in plain.items()]
    for name, table in tables.items():
        if name not in plain:
            lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def with_settings(recipe: Path, settings: list[str]) -> dict[str, Any]:
    """The recipe's tables with settings as `train.epochs=2`, their values as in TOML."""
    tables: dict[str, Any] = tomllib.loads(recipe.read_text(encoding="utf-8"))
    for setting in settings:
        for name, value in tomllib.loads(setting).items():
            if isinstance(value, dict):
                tables.setdefault(name, {}).update(value)
            else:
                tables[name] = value
    return tables


def main() -> None:
    """Run all seeds and print their common figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--set", nargs="*", default=[], metavar="TABLE.KEY=VALUE", dest="settings")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--where", metavar="FLAG=FILE")
    parser.add_argument("--but-for", metavar="ARGUMENT")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    counted_requests = requests_with_flag(*options.where.split("=", 1)) if options.where else None
    scores_by_variant: dict[str, list[dict[str, list[float]]]] = {"before": [], "after": []}
    clusters: list[list[str]] = []
    for seed in options.seeds:
        run = options.out.resolve() / str(seed)
        recipe = run.with_suffix(".toml")
        recipe.write_text(toml(with_settings(options.recipe, options.settings) | {"seed": seed}), encoding="utf-8")
        command = [sys.executable, "-m", "platypus", "all", str(run), "--recipe", str(recipe)]
        subprocess.run(command, check=True, stdout=sys.stderr, cwd=ROOT)
        for variant, seeds in scores_by_variant.items():
            seeds.append(row_measures(run, variant, counted_requests, options.but_for))
        clusters.append(clusters_of([*map(example, rows_of(run, "after", counted_requests))]))
    for variant, seeds in scores_by_variant.items():
        if not seeds[0]["exact"]:  # evaluate.before = false
            continue
        intervals = {measure: mean([seed[measure] for seed in seeds], clusters) for measure in MEASURES}
        exact = [round(100 * float(np.mean(seed["exact"])), 1) for seed in seeds]
        settings = {"run": str(options.out), "variant": variant, "where": options.where, "but for": options.but_for}
        row = {**settings, "rows": len(seeds[0]["exact"]), **intervals, "exact of each seed": exact}
        print(json.dumps(row), flush=True)


def requests_with_flag(flag: str, file: str) -> set[str]:
    """The requests of the rows that have the flag."""
    rows = map(json.loads, Path(file).read_text(encoding="utf-8").splitlines())
    return {row["query"] for row in rows if row[flag]}


def row_measures(
    run: Path, variant: str, counted_requests: set[str] | None, but_for: str | None = None
) -> dict[str, list[float]]:
    """Each metric of each test row, in the order of the test set; `exact` ignores the argument `but_for`."""
    rows = rows_of(run, variant, counted_requests)
    values = {measure: [float(row["score"][measure]) for row in rows] for measure in MEASURES}
    if but_for:
        catalogue = read_catalogue(run / "catalogue.json")
        values["exact"] = [float(exact_without(but_for, row, catalogue)) for row in rows]
    return values


def rows_of(run: Path, variant: str, counted_requests: set[str] | None) -> list[dict[str, Any]]:
    """The lines of the variant in `scores.jsonl`, if their requests are counted."""
    lines = (run / "evaluate" / "scores.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["variant"] == variant]
    return [row for row in rows if counted_requests is None or row["query"] in counted_requests]


def example(row: dict[str, Any]) -> Example:
    """The test row of a line."""
    gold = plan_from_json(row["gold"])
    assert isinstance(gold, Plan)
    return Example(row["query"], gold, "", {})


def exact_without(argument: str, row: dict[str, Any], catalogue: Catalogue) -> bool:
    """Whether a row's plan equals the gold plan when the argument is removed from both."""
    gold, answer = plan_from_json(row["gold"]), plan_from_json(row["plan"])
    if isinstance(gold, Malformed) or isinstance(answer, Malformed):
        return False
    return same(_without(argument, gold), _without(argument, answer), catalogue)


def _without(argument: str, plan: Plan) -> Plan:
    steps = (Step(step.tool, {k: v for k, v in step.arguments.items() if k != argument}) for step in plan)
    return Plan(tuple(steps))


def mean(seeds: list[list[float]], clusters: list[list[str]]) -> str:
    """Mean and interval in percent. If the seeds have different test sets, their rows are concatenated."""
    one_set = all(names == clusters[0] for names in clusters)
    rows = np.mean(seeds, axis=0) if one_set else np.concatenate(seeds)
    names = clusters[0] if one_set else [name for seed in clusters for name in seed]
    return str(interval([Ratio(float(row), 1) for row in rows], clusters=names, resamples=5000, seed=0))


if __name__ == "__main__":
    main()
