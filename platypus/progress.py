"""Progress of long work on standard error: a bar on a terminal, elsewhere a line every half minute at most.

So a log of a training of hours tells how far it is and when it ends, and a log of seconds stays empty.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Self, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

Item = TypeVar("Item")
EVERY = 30.0  # seconds between two lines of a log, at least


class Progress:
    """How much of some work is done; `total` is None where nobody knows it, `done` what an earlier process did."""

    def __init__(
        self,
        work: str,
        total: int | None,
        *,
        done: int = 0,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.console = console or Console(stderr=True)
        self._work, self._total, self._clock = work, total, clock
        self._done = self._done_before = done
        self._start = self._last_line = clock()
        columns = (
            "{task.description}",
            BarColumn(),
            MofNCompleteColumn(),
            "{task.fields[note]}",
            TimeRemainingColumn(),
        )
        shown = self.console.is_terminal and not self.console.quiet
        self._bar = Bar(*columns, console=self.console, disable=not shown)
        self._task = self._bar.add_task(work, total=total, completed=done, note="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()

    def say(self, *lines: str) -> None:
        """Print lines above the bar."""
        self.console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)

    def update(self, done: int, note: str = "") -> None:
        """So much is done by now; the note stands behind it."""
        self._done = done
        self._bar.update(self._task, completed=done, note=note)
        now = self._clock()
        if self._bar.disable and now - self._last_line >= EVERY:
            self._last_line = now
            self.say(self._line(now, note))

    def advance(self, count: int = 1) -> None:
        """So much more is done."""
        self.update(self._done + count)

    def _line(self, now: float, note: str) -> str:
        """`train: 120 of 341 · loss 0.1234 · 2.1/s · 0:01:45 left`."""
        rate = (self._done - self._done_before) / (now - self._start)
        parts = [f"{self._work}: {self._done:,}" + (f" of {self._total:,}" if self._total is not None else "")]
        parts += [note] if note else []
        parts.append(f"{rate:,.2f}/s" if rate < 10 else f"{rate:,.0f}/s")
        if self._total is not None and rate:
            parts.append(f"{timedelta(seconds=round((self._total - self._done) / rate))} left")
        return " · ".join(parts)


def track(items: Iterable[Item], work: str, *, total: int | None) -> Iterator[Item]:
    """The items, with the progress of working through them."""
    with Progress(work, total) as progress:
        for item in items:
            yield item
            progress.advance()
