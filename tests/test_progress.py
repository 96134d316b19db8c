"""Progress: a line every half minute in a log, a bar on a terminal, nothing where the console is quiet."""

import io

from rich.console import Console

from platypus.progress import Progress, track


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_log_gets_a_line_every_half_minute_with_rate_and_time_left() -> None:
    clock, console = Clock(), Console(file=io.StringIO(), force_terminal=False)
    with Progress("train", 341, done=41, console=console, clock=clock) as progress:
        for step in range(42, 102):  # 2 seconds each
            clock.now += 2
            progress.update(step, "loss 0.5")
    assert console.file.getvalue().splitlines() == [  # type: ignore[attr-defined]
        "train: 56 of 341 · loss 0.5 · 0.50/s · 0:09:30 left",
        "train: 71 of 341 · loss 0.5 · 0.50/s · 0:09:00 left",
        "train: 86 of 341 · loss 0.5 · 0.50/s · 0:08:30 left",
        "train: 101 of 341 · loss 0.5 · 0.50/s · 0:08:00 left",
    ]


def test_work_of_unknown_length_has_no_time_left() -> None:
    clock, console = Clock(), Console(file=io.StringIO(), force_terminal=False)
    with Progress("refine", None, console=console, clock=clock) as progress:
        clock.now = 40
        progress.advance(4000)
    assert console.file.getvalue() == "refine: 4,000 · 100/s\n"  # type: ignore[attr-defined]


def test_a_terminal_gets_a_bar_and_no_lines() -> None:
    clock, console = Clock(), Console(file=io.StringIO(), force_terminal=True, width=80)
    with Progress("train", 2, console=console, clock=clock) as progress:
        clock.now = 100
        progress.update(1, "loss 0.5")
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "1/2" in shown and "loss 0.5" in shown and " of 2" not in shown


def test_a_quiet_console_gets_nothing() -> None:
    clock, console = Clock(), Console(file=io.StringIO(), force_terminal=True, quiet=True)
    with Progress("train", 2, console=console, clock=clock) as progress:
        clock.now = 100
        progress.advance()
    assert console.file.getvalue() == ""  # type: ignore[attr-defined]


def test_what_is_tracked_stays_as_it_is() -> None:
    assert list(track(iter("abc"), "letters", total=3)) == ["a", "b", "c"]
