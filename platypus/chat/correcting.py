"""Correcting: a person says what the right plan is, step by step or as a whole text. Only a valid plan comes out.

Steps are written in the notation `calls` (`platypus.plan.notation`), whatever notation the model uses: `$0` is the
output of the first step, and the editor calls that step `$0`. While steps are added and removed, the references of the
others are renumbered; one to a removed step becomes `$-1`, which is refused until it is replaced.
"""

from collections.abc import Callable, Sequence

from platypus.catalogue.tools import Catalogue
from platypus.plan.notation import print_step, read_plan, read_step
from platypus.plan.plan import Malformed, Plan, Step, checked_plan

REMOVED = -1
STEPWISE = """\
Correct the plan step by step; $0 is the output of the first step.
  Enter keeps a step as it stands there, - removes it, + CALL puts a call before it.
  A call after the last step is added; an empty line there ends. Ctrl-C keeps the plan as it was."""


def read_typed(text: str, catalogue: Catalogue) -> Plan | Malformed:
    """The plan in a text that a person wrote: JSON or calls, arguments in catalogue order. Never raises."""
    read = read_plan(text.strip(), "json" if text.lstrip().startswith(("[", "{")) else "calls", catalogue)
    return read if isinstance(read, Malformed) else read.ordered(catalogue)


def correct_by_steps(
    plan: Plan, catalogue: Catalogue, *, ask: Callable[[str, str], str], complain: Callable[[str], None]
) -> Plan:
    """The plan that a person makes of this one; each line is asked for with a label and the text that stands there.

    A line that would make the plan invalid is complained about, and asked for again.
    """
    done: list[Step] = []
    waiting = list(plan.steps)
    typed = ""
    while True:
        at = len(done)
        given = ask(f"${at} = ", typed or (print_step(waiting[0]) if waiting else "")).strip()
        typed = ""
        if given in ("", "-"):
            if not waiting:
                return Plan(tuple(done)).ordered(catalogue)
            waiting = [step.renumbered(_without(at)) for step in waiting[1:]]
            continue
        read = _next_step(done, given.removeprefix("+"), catalogue)
        if isinstance(read, Malformed):
            complain("\n".join(map(str, read.problems)))
            typed = given
        elif given.startswith("+"):
            waiting = [step.renumbered(_with(at)) for step in waiting]
            done.append(read)
        else:
            waiting = waiting[1:]
            done.append(read)


def _next_step(done: Sequence[Step], text: str, catalogue: Catalogue) -> Step | Malformed:
    """The step in the text, if it is valid behind the steps that are done."""
    step = read_step(text.strip())
    if isinstance(step, Malformed):
        return step
    checked = checked_plan([*done, step], catalogue, text=text)
    return checked if isinstance(checked, Malformed) else step


def _without(gone: int) -> Callable[[int], int]:
    return lambda step: REMOVED if step == gone else step - (step > gone)


def _with(new: int) -> Callable[[int], int]:
    return lambda step: step + (step >= new)
