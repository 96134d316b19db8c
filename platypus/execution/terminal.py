"""A dialogue on the terminal: the decision is shown, questions are asked, steps are told as they end.

Without a terminal there is nobody to ask, and the answer is no.
"""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import typer

from platypus.execution.drawing import decision_lines, outcome_line
from platypus.execution.execution import Dialogue, Execution
from platypus.execution.policy import Decision
from platypus.files import say
from platypus.plan.plan import Plan

GO_ON = " (to go on: `platypus execute` with --resume and this trace in place of a request or plan)"


@dataclass(frozen=True)
class Answers:
    """What the command line answers before any question: yes to what is to be asked, yes to repeating steps."""

    yes: bool = False
    again: bool = False


def terminal_dialogue(tell: Callable[[str], None], answers: Answers) -> Dialogue:
    """A dialogue that tells lines, and asks on the terminal."""

    def decided(plan: Plan, decision: Decision) -> None:
        for line in decision_lines(plan, decision):
            tell(line)

    return Dialogue(
        decided=decided,
        confirm=lambda question: answers.yes or _ask(question, "--yes"),
        repeat=lambda question: answers.again or _ask(question, "--again"),
        watch=lambda plan, step, outcome, seconds: tell(outcome_line(plan, step, outcome, seconds)),
    )


@contextmanager
def cancelling(trace: Path | None, tell: Callable[[str], None]) -> Iterator[None]:
    """In the block, Ctrl-C tells how to go on with the trace, if there is one already."""
    try:
        yield
    except KeyboardInterrupt:
        if trace is not None and trace.is_file():
            tell(f"cancelled; trace: {trace}{GO_ON}")
        raise


def ending(execution: Execution) -> str:
    """How it ended, on one line, with what may be done then."""
    count = f"{len(execution.results)} of {len(execution.plan)} steps"
    trace = f"; trace: {execution.trace}" if execution.trace else ""
    go_on = GO_ON if trace and execution.ended not in ("done", "denied") else ""
    return f"{execution.ended}: {count} in {execution.seconds:.2f} s{trace}{go_on}"


def _ask(question: str, option: str) -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        say(f"{question} There is no terminal to ask at, so the answer is no (`platypus execute {option}` says yes).")
        return False
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # asyncio's would wait for the answer
    try:
        return typer.confirm(question, err=True)
    except typer.Abort:
        return False
    finally:
        signal.signal(signal.SIGINT, before)
