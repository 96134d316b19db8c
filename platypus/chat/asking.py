"""Asking: one request put to a planner; its plan is printed step by step, notes and doubts beside it.

Plans go to standard output, everything else to standard error.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.text import Text

from platypus.chat.showing import malformed_text, plan_lines
from platypus.inference.planner import Answer, Planner
from platypus.plan.plan import Malformed, Plan


def _console(*, stderr: bool) -> Console:
    return Console(stderr=stderr, highlight=False, soft_wrap=True)


@dataclass
class Screen:
    """Where answers and messages go, and how plans look: as `layout` makes lines of them, or as JSON."""

    layout: Callable[[Plan], list[Text]] = plan_lines
    as_json: bool = False
    out: Console = field(default_factory=lambda: _console(stderr=False))
    talk: Console = field(default_factory=lambda: _console(stderr=True))

    def say(self, text: str, *, style: str = "") -> None:
        """Print a message to standard error."""
        self.talk.print(Text(text, style=style))

    def say_lines(self, lines: Iterable[Text]) -> None:
        """Print lines to standard error."""
        for line in lines:
            self.talk.print(line)

    def show(self, answer: Plan | Malformed, *, after: int = 0) -> None:
        """Print a plan, without its first `after` lines; say what is wrong with what is none."""
        if isinstance(answer, Malformed):
            self.say(malformed_text(answer), style="yellow")
            return
        for line in self.lines(answer)[after:]:
            self.out.print(line)

    def lines(self, plan: Plan) -> list[Text]:
        """The plan as it is shown."""
        return [Text(str(plan))] if self.as_json else self.layout(plan)


def ask(planner: Planner, request: str, screen: Screen, *, max_new_tokens: int) -> Answer:
    """Answer a request and print its plan and notes; step by step, unless the whole plan may still be withheld."""
    by_step = not screen.as_json and not planner.settings.min_confidence
    shown = 0
    with screen.talk.status("planning …") as status:
        for update in planner.watch(request, max_new_tokens=max_new_tokens):
            if isinstance(update, Answer):
                break
            if by_step:
                status.stop()  # a running status would redirect what is printed
                screen.show(update, after=shown)
                shown = len(screen.lines(update))
    assert isinstance(update, Answer)  # a planner yields the answer last
    if update.sure:
        screen.show(update.plan, after=shown)
    else:
        reason = _reason_for_doubt(update, planner.settings.min_confidence)
        screen.say(f"not sure: {reason}; it might be", style="yellow")
        if isinstance(update.plan, Plan):
            screen.say_lines(screen.lines(update.plan))
        else:
            screen.show(update.plan)
    if update.request != request:
        screen.say(f"read as: {update.request}", style="dim")
    for note, style in _notes(planner, update, max_new_tokens):
        screen.say(note, style=style)
    return update


def record(request: str, answer: Answer) -> dict[str, Any]:
    """An answer as a JSON object; what is no valid plan has its text and problems."""
    plan = answer.plan
    known = {"probability": answer.probability, "confidence": answer.confidence, "sure": answer.sure}
    head = {
        "request": request,
        **({"read_as": answer.request} if answer.request != request else {}),
        "plan": plan.to_json() if isinstance(plan, Plan) else None,
    }
    faults = {} if isinstance(plan, Plan) else {"text": plan.text, "problems": [*map(str, plan.problems)]}
    return {**head, **known, "ended_by": answer.ended_by, **faults}


def _notes(planner: Planner, answer: Answer, max_new_tokens: int) -> Iterator[tuple[str, str]]:
    """Notes on an answer, each with its style."""
    cut = {"length": f"{max_new_tokens} tokens", "time": f"{planner.settings.seconds or 0:g} s"}
    if answer.ended_by in cut and (isinstance(answer.plan, Plan) or answer.ended_by == "time"):
        yield f"cut after {cut[answer.ended_by]}: a valid plan, but perhaps not a complete one", "yellow"
    elif answer.sure and answer.confidence is not None:
        calibrated = "" if planner.calibration.fitted else " (`platypus evaluate` calibrates it)"
        yield f"confidence {answer.confidence:.0%}{calibrated}", "dim"


def _reason_for_doubt(answer: Answer, least: float) -> str:
    if not answer.finished:
        return "the plan was cut by a limit"
    return f"the confidence is {answer.confidence:.0%}, and at least {least:.0%} is required"
