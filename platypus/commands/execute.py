"""execute: a request or a plan → the decision about its calls → the calls, with a trace; and a trace gone on with.

The planner is opened only where one is needed: for a request, and for `replans`.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from platypus.catalogue.tools import Catalogue
from platypus.errors import PlanError, RunError
from platypus.execution.execution import Execution, Replan, Terms, check_terms, execute, resume
from platypus.execution.terminal import Answers, cancelling, ending, terminal_dialogue
from platypus.execution.toolbox import Toolbox
from platypus.execution.trace import check_new_trace
from platypus.files import read_text, say
from platypus.inference.opening import UNTRAINED, open_planner, open_untrained
from platypus.inference.planner import Planner
from platypus.plan.notation import readable
from platypus.plan.plan import Malformed, Plan, parse_plan
from platypus.run.folder import Run
from platypus.run.recipe import Recipe
from platypus.run.toolboxes import dry_toolbox, new_trace, run_toolbox, source_toolbox, terms_of

AS_JSON = "`platypus plan --json` prints plans as they are read."


@dataclass(frozen=True)
class Wanted:
    """What is to be executed: the plan of a request, a plan in a file (`-`: standard input), or the rest of a trace.

    `sources` run the tools in place of what the recipe names; `trusted` are servers that are believed besides. `trace`
    is the file of a new trace.
    """

    request: str | None = None
    plan: str | None = None
    resume: Path | None = None
    trace: Path | None = None
    sources: Sequence[str] = ()
    trusted: Sequence[str] = ()
    replans: int = 0
    dry_run: bool = False
    answers: Answers = field(default_factory=Answers)
    as_json: bool = False


@dataclass(frozen=True)
class Place:
    """Where it is executed: a run, or tools without one, whose source is named as they are read from it.

    `recipe` is the run's; without one, it says how the embedded base is asked.
    """

    run: Run | None
    catalogue: Catalogue
    recipe: Recipe
    source: str | None = None
    only: Sequence[str] = ()

    def toolbox(self, sources: Sequence[str], *, dry_run: bool = False) -> Toolbox:
        """What runs the tools. In a dry run what cannot be had is an error only if it was named for it."""
        if dry_run and not sources:
            return dry_toolbox(lambda: self.toolbox(()))
        if self.source is not None:
            return source_toolbox([*sources] or [self.source], () if sources else self.only)
        assert self.run is not None  # else there is a source
        return run_toolbox(self.run, sources)

    def planner(self) -> Planner:
        """The run's planner, else the embedded base as it is."""
        if self.run is None:
            return open_untrained(self.catalogue, self.recipe)
        return open_planner(self.run, catalogue=self.catalogue if self.source else None)


def place_of(
    run: Run | None,
    catalogue: Catalogue | None,
    source: str | None,
    only: Sequence[str] = (),
    today: str | None = None,
) -> Place:
    """Where to execute; `today` is for tools without a run. Raises RunError without a catalogue."""
    tools = catalogue or (run.catalogue if run else None)
    if tools is None:
        where = str(run.path) if run else ""
        remedy = "Give one: --catalogue SOURCE" if run else "Name a run, or give one: --catalogue SOURCE"
        raise RunError("there is no catalogue, so there are no plans", where=where, remedy=remedy)
    recipe = run.recipe if run else Recipe(decode=UNTRAINED).decoded(today=today)
    return Place(run, tools, recipe, source, only)


def execute_wanted(place: Place, wanted: Wanted) -> bool:
    """Execute what is wanted, and print it. Returns whether all was done. Raises PlatypusError."""
    if wanted.trace is not None:
        check_new_trace(wanted.trace)
    terms, toolbox = _terms(place, wanted), place.toolbox(wanted.sources, dry_run=wanted.dry_run)
    check_terms(terms, place.catalogue, toolbox)
    planner = place.planner() if wanted.request is not None or wanted.replans else None
    plan = _plan(place, wanted, planner)
    if plan is None and wanted.resume is None:
        return False
    replan = _replan(planner, place) if planner and wanted.replans else None
    trace = wanted.resume or wanted.trace or (None if wanted.dry_run else new_trace(place.run))
    if planner and wanted.request is not None:  # the trace may be gone on with on another day
        wanted = replace(wanted, request=planner.dated(wanted.request))
    with cancelling(trace, say):
        execution = asyncio.run(_executed(place, replace(wanted, trace=trace), plan, toolbox, terms, replan))
    if wanted.as_json:
        print(json.dumps(execution.to_json(), ensure_ascii=False))
    say(ending(execution))
    return execution.done


def _terms(place: Place, wanted: Wanted) -> Terms:
    """The terms of the recipe, which may trust servers that are not there where other sources take their place."""
    settings, others = place.recipe.execute, place.run.catalogue if place.run else None
    trusting = settings.model_copy(update={"trusted": [*settings.trusted, *wanted.trusted]})
    terms = terms_of(trusting, replans=wanted.replans, dry_run=wanted.dry_run, others=others)
    return replace(terms, other_servers=tuple(settings.trusted)) if wanted.sources or place.source else terms


async def _executed(
    place: Place, wanted: Wanted, plan: Plan | None, toolbox: Toolbox, terms: Terms, replan: Replan | None
) -> Execution:
    dialogue = terminal_dialogue(say if wanted.as_json else _print, wanted.answers)
    if wanted.resume is not None:
        return await resume(
            wanted.resume, place.catalogue, toolbox, plan=plan, terms=terms, dialogue=dialogue, replan=replan
        )
    assert plan is not None  # else there is a trace
    return await execute(
        plan,
        place.catalogue,
        toolbox,
        terms=terms,
        dialogue=dialogue,
        request=wanted.request or "",
        trace=wanted.trace,
        replan=replan,
    )


def _plan(place: Place, wanted: Wanted, planner: Planner | None) -> Plan | None:
    """The plan that is given, or that the planner makes; None if there is none to run, which is said."""
    if wanted.plan is not None:
        return _read_plan(wanted.plan, place.catalogue)
    if wanted.request is None or planner is None:
        return None
    (answer,) = planner.plan([wanted.request], max_new_tokens=place.recipe.evaluate.max_new_tokens)
    sureness = "" if answer.confidence is None else f", confidence {answer.confidence:.0%}"
    say(f"planned by {planner.loaded.source}{sureness}")
    if answer.request != wanted.request:
        say(f"read as: {answer.request}")
    if isinstance(answer.plan, Malformed):
        say("\n  ".join([f"not a valid plan: {answer.plan.text}", *map(str, answer.plan.problems)]))
        return None
    if not answer.sure or not answer.finished:
        say(f"the planner is not sure of it, so it is not run: {readable(answer.plan)}")
        return None
    if not answer.plan.steps:
        say(readable(answer.plan))
        return None
    return answer.plan


def _read_plan(name: str, catalogue: Catalogue) -> Plan:
    where = "standard input" if name == "-" else name
    text = _standard_input() if name == "-" else read_text(Path(name), error=PlanError, remedy=AS_JSON)
    plan = parse_plan(text, catalogue)
    if isinstance(plan, Malformed):
        raise PlanError(
            "\n  ".join(["is not a valid plan", *map(str, plan.problems)]),
            where=where,
            remedy=AS_JSON,
        )
    return plan


def _standard_input() -> str:
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PlanError("is not UTF-8 text", where="standard input", remedy="Send the plan as UTF-8.") from error


def _replan(planner: Planner, place: Place) -> Replan:
    most = place.recipe.evaluate.max_new_tokens

    async def replan(text: str) -> Plan | None:
        (answer,) = await asyncio.to_thread(lambda: list(planner.plan([text], max_new_tokens=most)))
        return answer.plan if isinstance(answer.plan, Plan) and answer.sure and answer.finished else None

    return replan


def _print(text: str) -> None:
    print(text, flush=True)
