"""Two fine-tunes of one base, for different tools, merged by each method: how well the one model does both jobs.

    python benchmarks/blends.py runs/demo runs/crm --limit 100
    python benchmarks/blends.py runs/demo runs/crm --methods task-arithmetic ties --weights 0.5,0.5 1,1

The second run, for example (four minutes):

    sed 's/worktracker/crm/; s/examples = 1000/examples = 600/; s/epochs = 9/epochs = 5/' recipes/demo.toml > crm.toml
    platypus all runs/crm --recipe crm.toml

Both runs must be trained, on the same base and with prompts alike, and have test rows. Every blend, the base and the
two fine-tunes answer the first `--limit` test rows of each run, with its tools, by greedy decoding under the grammar.
Brackets hold 95% intervals; differences are paired, row by row, with the run's own fine-tune. What was answered stands
in the folder `--out`, so that an interrupted table goes on. On two cores, a blend takes about ten seconds for 100 rows.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from platypus.commands.merge import merge
from platypus.data.dataset import Row, read_dataset
from platypus.evaluation.answering import answer_rows
from platypus.evaluation.clusters import clusters_of
from platypus.evaluation.intervals import Ratio, difference, interval
from platypus.inference.opening import open_base, open_planner
from platypus.inference.planner import Planner
from platypus.refinement.overlap import Dataset, overlap
from platypus.run.folder import Run
from platypus.run.merge_settings import MergeSettings

METHODS: Sequence[str] = (*MergeSettings.model_fields["method"].annotation.__args__, "ties-core", "dare-ties-core")  # type: ignore[union-attr]
RESAMPLES = 1000


class Blend(NamedTuple):
    """A method, whether it works in core space, and the two weights."""

    method: str
    weights: tuple[float, ...]

    @property
    def name(self) -> str:
        return f"{self.method} {','.join(f'{weight:g}' for weight in self.weights)}"

    def table(self, of: Sequence[str]) -> str:
        """The keys under [merge]."""
        core = "core_space = true\n" if self.method.endswith("-core") else ""
        method = self.method.removesuffix("-core")
        return f"of = {json.dumps(of)}\nmethod = '{method}'\nweights = {list(self.weights)}\n{core}"


def blended(run: Run, blend: Blend, of: Sequence[str], folder: Path) -> Run:
    """A run with the base, tools and prompts of `run`, whose merged model is the blend."""
    folder.mkdir(parents=True, exist_ok=True)
    prompt = run.record("train")["settings"]["prompt"]
    keys = "\n".join(f"{key} = {json.dumps(value)}" for key, value in prompt.items())
    (folder / "recipe.toml").write_text(
        f"base = {json.dumps(run.recipe.base)}\ncatalogue = {json.dumps(str(run.path.resolve() / 'catalogue.json'))}\n"
        f"[prompt]\n{keys}\n[merge]\ndtype = 'float32'\n{blend.table(of)}"
    )
    made = Run.open(folder / "run", recipe=folder / "recipe.toml")
    merge(made)
    return made


def answered(planner: Planner, rows: Sequence[Row], run: Run) -> list[float]:
    """Whether each row is answered exactly."""
    greedy = Planner(planner.loaded, planner.prompt, planner.settings.model_copy(update={"beams": 1}))
    return [float(row.score.exact) for row in answer_rows(greedy, rows, run.recipe.evaluate)]


def measured(options: argparse.Namespace, runs: Sequence[Run], scratch: Path) -> dict[str, list[list[float]]]:
    """For each model, whether each row of each run is answered exactly; kept in `--out`."""
    options.out.mkdir(parents=True, exist_ok=True)
    kept = options.out / f"answers-{options.limit}.json"
    found: dict[str, list[list[float]]] = json.loads(kept.read_text()) if kept.is_file() else {}
    of = [str(run.path.resolve()) for run in runs]
    rows = [read_dataset(str(run.folder("refine") / "test.jsonl"), run.catalogue).rows[: options.limit] for run in runs]
    blends = {blend.name: blend for blend in _blends(options)}
    for name in ["base", *(run.path.name for run in runs), *blends]:
        if name in found:
            continue
        begun, answers = time.monotonic(), []
        made = blended(runs[0], blends[name], of, scratch / str(len(found))) if name in blends else None
        for run, some in zip(runs, rows, strict=True):
            other = next((one for one in runs if one.path.name == name), None)
            if name == "base":
                planner = open_base(run)
            else:
                source = made or other or run
                planner = open_planner(source, catalogue=None if source is run else run.catalogue)
            answers.append(answered(planner, some, run))
        found[name] = answers
        kept.write_text(json.dumps(found))
        print(f"{name}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    return {name: found[name] for name in ["base", *(run.path.name for run in runs), *blends]}


def _blends(options: argparse.Namespace) -> Iterator[Blend]:
    for method in options.methods:
        for weights in options.weights:
            yield Blend(method, tuple(float(weight) for weight in weights.split(",")))


def table(found: Mapping[str, list[list[float]]], runs: Sequence[Run], limit: int) -> Table:
    """One row for each model: exact plans on both test sets, and their paired differences from the own fine-tune."""
    shown = Table("model", box=None)
    for run in runs:
        shown.add_column(f"exact, {run.path.name}", justify="right")
        shown.add_column("less its own", justify="right")
    shown.add_column("mean", justify="right")
    tests = [read_dataset(str(run.folder("refine") / "test.jsonl"), run.catalogue).rows[:limit] for run in runs]
    clusters = [clusters_of(rows) for rows in tests]
    for name, answers in found.items():
        cells: list[Any] = [name]
        for i, run in enumerate(runs):
            ratios, own = ([Ratio(value, 1) for value in one[i]] for one in (answers, found[run.path.name]))
            how: Any = {"clusters": clusters[i], "resamples": RESAMPLES, "seed": 0}
            cells += [
                str(interval(ratios, **how)),
                "" if name == run.path.name else str(difference(own, ratios, **how)),
            ]
        shares = [sum(one) / len(one) for one in answers]
        shown.add_row(*cells, f"{sum(shares) / len(shares):.1%}")
    return shown


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs=2, type=Path)
    parser.add_argument("--limit", type=int, default=100, help="test rows of each run")
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    parser.add_argument("--weights", nargs="+", default=["1,1"], help="one for each run: 1,0.5")
    parser.add_argument("--out", type=Path, default=Path("runs/blends"), help="where answers are kept")
    options = parser.parse_args()
    runs = [Run.open(path) for path in options.runs]
    with tempfile.TemporaryDirectory() as scratch:
        found = measured(options, runs, Path(scratch))
    alike = overlap(
        *(Dataset(str(run.folder("refine") / "train.jsonl"), run.catalogue) for run in runs),
    )
    console = Console(width=160)
    console.print(table(found, runs, options.limit))
    console.print(f"training rows: {alike.advice} ({alike.nearness:.0%} alike)")


if __name__ == "__main__":
    main()
