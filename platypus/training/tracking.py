"""What a training reports while it runs: progress on standard error, metrics.jsonl, and the recipe's loggers.

These loggers get the figures of evaluations as well.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, GeneralTracker, get_available_trackers
from accelerate.utils import LoggerType
from rich.console import Console

from platypus.errors import RecipeError
from platypus.progress import Progress
from platypus.training.distributed import ProcessGroup

PROJECT = "platypus"  # at loggers that keep projects


def check_loggers(names: Sequence[str]) -> None:
    """Raises RecipeError for a logger whose package is missing."""
    known = [LoggerType(name) for name in get_available_trackers()]
    for name in names:
        if LoggerType(name) not in known:
            raise RecipeError(
                f"the logger {name!r} is not installed", where="[train] loggers", remedy=f"pip install {name}"
            )


def _tracker(name: str, folder: Path, done: int) -> GeneralTracker:
    """The tracker of a logger; TensorBoard writes into the folder, and goes on after `done` steps."""
    if name == "tensorboard":
        return LOGGER_TYPE_TO_CLASS[name](name, str(folder), purge_step=done + 1)
    return LOGGER_TYPE_TO_CLASS[name](PROJECT)


def log_scores(loggers: Sequence[str], variants: Mapping[str, Any], *, run: str) -> None:
    """Give the figures of a report to loggers that keep projects, as `after/exact`, `after/exact_low` and so on.

    Raises RecipeError for a logger whose package is missing.
    """
    check_loggers(loggers)
    values = {
        f"{variant}/{metric}{end}": found[key]
        for variant, part in variants.items()
        for metric, found in {**part["published"], **part["measures"]}.items()
        for end, key in (("", "value"), ("_low", "low"), ("_high", "high"))
    }
    for name in loggers:
        tracker = LOGGER_TYPE_TO_CLASS[name](PROJECT)
        tracker.start()
        tracker.store_init_configuration({"stage": "evaluate", "run": run})
        tracker.log(values)
        tracker.finish()


class JsonLines(GeneralTracker):  # type: ignore[misc]
    """A tracker for accelerate that writes metrics.jsonl: one object a line, readable while the training runs."""

    name = "jsonl"
    requires_logging_directory = False

    def __init__(self, path: Path, *, done: int) -> None:
        """Goes on in `path` after `done` steps; what it says of later ones will be said again."""
        super().__init__()
        self.path = path
        if path.exists():
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = path.with_name(f"{path.name}.new")  # whatever moment the program is killed at, one of them is whole
            kept.write_text("".join(line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= done))
            kept.replace(path)

    @property
    def tracker(self) -> Path:
        """The file."""
        return self.path

    def log(self, values: Mapping[str, Any], step: int | None = None) -> None:
        """Append the values of a step."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")


class TrainingProgress(Progress):
    """Progress and loggers of a training that goes on after `done` steps; silent unless this is the main process."""

    def __init__(self, folder: Path, loggers: Sequence[str], *, steps: int, done: int, processes: ProcessGroup) -> None:
        console = Console(stderr=True, quiet=not processes.is_main)
        super().__init__("train", steps, done=done, console=console)
        self.accelerator = processes.accelerator
        if processes.is_main:
            trackers = [JsonLines(folder / "metrics.jsonl", done=done), *(_tracker(n, folder, done) for n in loggers)]
            self.accelerator = Accelerator(log_with=trackers)
            self.accelerator.init_trackers(PROJECT)
        self.tokens, self.seconds = 0, 0.0

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        for tracker in self.accelerator.trackers:  # end_training would part the processes as well
            tracker.finish()

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count the time of the block as training."""
        begun = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - begun

    def finish_step(self, values: Mapping[str, Any], step: int, *, epoch: int, rate: float) -> float:
        """Show and log a finished step; `values` has its loss and tokens. Returns tokens per second so far."""
        self.tokens += values["tokens"]
        speed = round(self.tokens / self.seconds, 1)
        self.update(step, f"loss {values['loss']:.4f} · {speed:,.0f} tokens/s")
        values = {"epoch": epoch, "learning_rate": rate, **values, "tokens_per_second": speed}
        self.log(values, step=step)
        return speed

    def log(self, values: Mapping[str, Any], *, step: int) -> None:
        """Log values of a step."""
        self.accelerator.log(dict(values), step=step)
