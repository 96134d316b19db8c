"""evaluate --tasks: what the run's model can do besides planning, before and after fine-tuning, by tasks of lm-eval.

Each task that is done is written down at once, so the same command goes on where it was interrupted. Leaves
`report.json` and `report.md` in `evaluations/` of the run.
"""

import gc
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platypus.errors import RunError
from platypus.evaluation.general import Task, TaskScore, known_tasks, task_scores
from platypus.evaluation.resuming import REPORT, EvaluationFolder
from platypus.evaluation.writing import origin
from platypus.files import say, write_whole
from platypus.inference.opening import is_merged
from platypus.reports import markdown_table
from platypus.run.folder import Outcome, Run

if TYPE_CHECKING:
    from platypus.model.loading import Loaded

BATCH = 8  # sequences; a longer batch saves little


def evaluate_tasks(
    run: Run, tasks: Sequence[str], *, limit: int | None = None, out: Path | None = None, force: bool = False
) -> Outcome:
    """Score base and fine-tuned model on the tasks. Raises RecipeError, DatasetError, ModelError, RunError."""
    chosen = [Task.read(text) for text in tasks]
    manager = known_tasks(chosen)
    openers = _openers(run)
    place = out or run.path / "evaluations" / "-".join(["tasks", *(Path(task.name).stem for task in chosen)])
    model = run.fingerprint("merge" if is_merged(run) else "train")
    measured = {"tasks": [*tasks], "limit": limit, "seed": run.recipe.seed, "model": model}
    folder = EvaluationFolder.open(place, measured, force=force)
    if report := folder.report():
        return Outcome("evaluate", folder.path, skipped=True, seconds=report["seconds"], results=report)
    started = time.monotonic()
    job = _Job(chosen, manager, run.recipe.seed, limit)
    variants = {name: job.scored(folder.path / f"{name}.json", opener) for name, opener in openers.items()}
    report = {
        "variants": variants,
        "fingerprints": measured,
        "lm_eval": version("lm_eval"),
        **origin(seed=run.recipe.seed, resamples=0),
        "seconds": round(time.monotonic() - started, 3),
    }
    text = f"# Tasks of lm-eval\n\n{markdown_table(task_rows(report))}\n"
    (folder.path / "report.md").write_text(text, encoding="utf-8")
    write_whole(folder.path / REPORT, json.dumps(report, indent=2) + "\n")
    return Outcome("evaluate", folder.path, skipped=False, seconds=report["seconds"], results=report)


def task_rows(report: Mapping[str, Any]) -> list[list[str]]:
    """A heading, then a row for each metric of each task, with a column for each variant."""
    variants: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]] = report["variants"]
    named = {
        name: {(task, s["metric"]): TaskScore(**s) for task in part for s in part[task]}
        for name, part in variants.items()
    }
    keys = list(dict.fromkeys(key for part in named.values() for key in part))
    cells = [[*key, *(str(part[key]) if key in part else "" for part in named.values())] for key in keys]
    return [["task", "metric", *variants], *cells]


def _openers(run: Run) -> dict[str, "Callable[[], Loaded]"]:
    from platypus.model.adapters import load_adapted
    from platypus.model.loading import load_base, load_merged

    openers: dict[str, Callable[[], Loaded]] = {"before": lambda: load_base(run.recipe.base)}
    if is_merged(run):
        openers["after"] = lambda: load_merged(run.folder("merge") / "model")
    elif run.is_done("train"):
        openers["after"] = lambda: load_adapted(run.folder("train") / "adapter", base=run.recipe.base)
    else:
        raise RunError("is not trained yet", where=str(run.path), remedy=f"Run first: platypus train {run.path}")
    return openers


@dataclass(frozen=True)
class _Job:
    tasks: Sequence[Task]
    manager: Any  # lm-eval's
    seed: int
    limit: int | None

    def scored(self, path: Path, opener: "Callable[[], Loaded]") -> dict[str, list[dict[str, Any]]]:
        """The scores of each task; those in the file are done. The model is opened only where something is left."""
        done: dict[str, list[dict[str, Any]]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        left = [task for task in self.tasks if str(task) not in done]
        loaded = opener() if left else None
        for task in left:
            assert loaded is not None  # something is left
            say(f"evaluate: {task} ({path.stem})")
            scores = task_scores(loaded, task, self.manager, limit=self.limit, batch_size=BATCH, seed=self.seed)
            done[str(task)] = [score.to_json() for score in scores]
            write_whole(path, json.dumps(done, indent=2))
        del loaded
        gc.collect()  # frees the model before the next one is loaded
        return done
