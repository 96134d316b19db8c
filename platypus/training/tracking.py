"""How a training shows itself: the bar on stderr, metrics.jsonl, and the loggers that the recipe names."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import rich.progress
from accelerate import Accelerator
from accelerate.tracking import GeneralTracker, get_available_trackers
from accelerate.utils import LoggerType
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn

from platypus.errors import RecipeError


def check_loggers(names: Sequence[str]) -> None:
    """Raises RecipeError for a logger whose package is missing."""
    known = [LoggerType(name) for name in get_available_trackers()]
    for name in names:
        if LoggerType(name) not in known:
            raise RecipeError(
                f"the logger {name!r} is not installed", where="[train] loggers", remedy=f"pip install {name}"
            )


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


class TrainingProgress:
    """The bar and the loggers, from the `done` steps that a checkpoint holds to all of them; silent unless it leads."""

    def __init__(
        self, folder: Path, *, loggers: Sequence[str], steps: int, done: int, accelerator: Accelerator
    ) -> None:
        self.console = Console(stderr=True, quiet=not accelerator.is_main_process)
        self.accelerator = accelerator
        if accelerator.is_main_process:
            self.accelerator = Accelerator(
                log_with=[JsonLines(folder / "metrics.jsonl", done=done), *loggers], project_dir=str(folder)
            )
            self.accelerator.init_trackers("tensorboard", init_kwargs={"tensorboard": {"purge_step": done + 1}})
        self.tokens, self.seconds = 0, 0.0
        columns = ("train", BarColumn(), MofNCompleteColumn(), "{task.fields[news]}", TimeRemainingColumn())
        self.bar = rich.progress.Progress(*columns, console=self.console, disable=not accelerator.is_main_process)
        self.task = self.bar.add_task("train", total=steps, completed=done, news="")

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.bar.stop()
        for tracker in self.accelerator.trackers:  # end_training would part the processes as well
            tracker.finish()

    def say(self, *lines: str) -> None:
        """Lines above the bar."""
        self.console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count the time of the block as training."""
        begun = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - begun

    def advance(self, values: Mapping[str, Any], *, step: int) -> None:
        """Show and log a finished step; `values` has its loss and tokens."""
        self.tokens += values["tokens"]
        speed = self.tokens / self.seconds
        self.bar.update(self.task, completed=step, news=f"loss {values['loss']:.4f} · {speed:,.0f} tokens/s")
        self.log({**values, "tokens_per_second": round(speed, 1)}, step=step)

    def log(self, values: Mapping[str, Any], *, step: int) -> None:
        """Log values of a step."""
        self.accelerator.log(dict(values), step=step)
