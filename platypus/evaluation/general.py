"""What a model can do besides planning: tasks of lm-eval, which is an optional extra (`general`).

A task is named as lm-eval names it, with the number of its worked examples where it is not the task's own:
`arc_challenge:25`. A YAML file is a task of one's own. Prompts, metrics and standard errors are lm-eval's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platypus.errors import DatasetError, RecipeError

if TYPE_CHECKING:
    from lm_eval.tasks import TaskManager

    from platypus.model.loading import Loaded

NORMAL = 1.96  # standard errors in a 95% interval


@dataclass(frozen=True)
class Task:
    """A task of lm-eval, and how many worked examples its prompts show; None: as many as the task says."""

    name: str
    shots: int | None = None

    def __str__(self) -> str:
        return self.name if self.shots is None else f"{self.name}:{self.shots}"

    @classmethod
    def read(cls, text: str) -> "Task":
        """The task in `arc_challenge` or `arc_challenge:25`. Raises RecipeError."""
        name, colon, shots = text.strip().partition(":")
        if not name or (colon and not shots.isdecimal()):
            remedy = "Write tasks as arc_challenge:25,hellaswag."
            raise RecipeError(f"{text!r} is not a task", where="--tasks", remedy=remedy)
        return cls(name, int(shots) if colon else None)


@dataclass(frozen=True)
class TaskScore:
    """A metric of a task, with lm-eval's standard error if it has one."""

    metric: str
    value: float
    error: float | None

    def __str__(self) -> str:
        if not 0 <= self.value <= 1:  # no share, such as a perplexity
            return f"{self.value:.4g}" + (f" ± {NORMAL * self.error:.2g}" if self.error is not None else "")
        if self.error is None:
            return f"{self.value:.1%}"
        low, high = (100 * (self.value + sign * NORMAL * self.error) for sign in (-1, 1))
        return f"{self.value:.1%} [{max(low, 0.0):.1f}, {min(high, 100.0):.1f}]"

    def to_json(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)


def known_tasks(tasks: Sequence[Task]) -> "TaskManager":
    """lm-eval's index of tasks, which has these. Raises RecipeError if it has not, or is not installed."""
    try:
        from lm_eval.tasks import TaskManager
    except ImportError as error:
        remedy = "pip install 'platypus-llm[general]'"
        raise RecipeError("tasks need the package `lm_eval`", where="--tasks", remedy=remedy) from error
    named = [task for task in tasks if not Path(task.name).is_file()]
    manager = TaskManager(include_defaults=bool(named))  # to read all of lm-eval's takes a while
    for task in named:
        if task.name not in manager.all_tasks:
            near = ", ".join(get_close_matches(task.name, manager.all_tasks, n=3)) or "see lm_eval ls tasks"
            raise RecipeError(f"lm-eval has no task {task.name!r}", where="--tasks", remedy=f"Near it: {near}.")
    return manager


def task_scores(
    loaded: "Loaded", task: Task, manager: "TaskManager", *, limit: int | None, batch_size: int, seed: int
) -> list[TaskScore]:
    """The metrics of a task, from the first `limit` rows of each part of it. Raises DatasetError without its data."""
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM

    seeds = dict.fromkeys(("random_seed", "numpy_random_seed", "torch_random_seed", "fewshot_random_seed"), seed)
    model = HFLM(pretrained=loaded.model, tokenizer=loaded.tokenizer, batch_size=batch_size)
    try:
        found = simple_evaluate(
            model,
            tasks=[task.name],
            num_fewshot=task.shots,
            limit=limit,
            log_samples=False,
            task_manager=manager,
            **seeds,
        )
    except OSError as error:  # no network, and no copy of the data
        remedy = "It comes from the hub: see that it can be reached, or set HF_HOME to a folder with a copy."
        what = f"the data of {task.name} cannot be loaded: {str(error).splitlines()[0]}"
        raise DatasetError(what, where="--tasks", remedy=remedy) from error
    results = found["results"]
    return _scores(results.get(task.name) or next(iter(results.values())))


def _scores(result: Mapping[str, Any]) -> list[TaskScore]:
    """lm-eval's `acc,none` and `acc_stderr,none` as scores; one without a number is left out."""
    scores = []
    for key, value in result.items():
        metric, comma, kind = key.partition(",")
        if comma and not metric.endswith("_stderr") and isinstance(value, int | float):
            error = result.get(f"{metric}_stderr,{kind}")
            scores.append(TaskScore(metric, float(value), float(error) if isinstance(error, int | float) else None))
    return scores
