"""Plans that are run for a client, where the server was started with `--execute`: by the policy of the run's recipe.

There is nobody to ask: what the policy asks about is not run. The answer tells the decision, so that a person can allow
it in the recipe.
"""

from collections.abc import Iterable
from typing import Any

import anyio
from pydantic import BaseModel, ConfigDict

from platypus.errors import RunError
from platypus.execution.execution import check_terms, execute
from platypus.files import say
from platypus.inference.planner import Answer
from platypus.plan.plan import Malformed, Plan, plan_from_json
from platypus.run.folder import Run
from platypus.run.toolboxes import new_trace, run_toolbox, terms_of
from platypus.serving.asking import Asking, Question
from platypus.serving.errors import ApiError, invalid
from platypus.serving.planners import Served

NO_RUN = "{!r} is no run with tools of its own, so it is not known what runs them"


class ExecuteRequest(BaseModel):
    """The body of /v1/execute: a request to be planned, or a plan. A dry run calls nothing."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: str | None = None
    request: str | None = None
    plan: Any = None
    dry_run: bool = False


def check_execution(served: Iterable[Served]) -> None:
    """Raise PlatypusError before anything is served if no plan could be run: no sources, or rules that name nothing."""
    runs = {one.name: _own_run(one) for one in served}
    for name, run in runs.items():
        if run is not None and run.catalogue is not None:
            check_terms(terms_of(run.recipe.execute), run.catalogue, run_toolbox(run))
        elif any(runs.values()):
            say(f"--execute: {NO_RUN.format(name)}: its plans are not run")
    if not any(runs.values()):
        names, remedy = ", ".join(map(repr, runs)), "Serve a run, with its own tools, or leave --execute out."
        raise RunError(f"there is nothing to run plans with: {names} is no run with tools of its own", remedy=remedy)


def _own_run(served: Served) -> Run | None:
    """The run, if its own tools are served."""
    run = served.run
    return run if run is not None and run.catalogue is not None and served.catalogue == run.catalogue else None


async def execute_request(body: ExecuteRequest, served: Served, asking: Asking) -> dict[str, Any]:
    """The answer of /v1/execute. Raises ApiError; PlatypusError if the tools cannot be reached."""
    run = _own_run(served)
    if run is None or run.catalogue is None:
        raise invalid("model", NO_RUN.format(served.name))
    if (body.request is None) == (body.plan is None):
        raise invalid("request", "say either a request or a plan")
    plan, answer = await _plan(body, served, asking)
    now = await anyio.to_thread.run_sync(run.reread)  # the policy of now counts
    toolbox = await anyio.to_thread.run_sync(run_toolbox, now)
    terms = terms_of(now.recipe.execute, dry_run=body.dry_run)
    trace = None if body.dry_run else new_trace(run)
    request = served.planner.dated(body.request or "")  # the trace may be gone on with on another day
    done = await execute(plan, run.catalogue, toolbox, terms=terms, request=request, trace=trace)
    known = {} if answer is None else {"confidence": answer.confidence, "read_as": answer.request}
    return {"model": served.name, "request": body.request, **done.to_json(), **known}


async def _plan(body: ExecuteRequest, served: Served, asking: Asking) -> tuple[Plan, Answer | None]:
    if body.request is None:
        plan = plan_from_json(body.plan, served.catalogue, text="")
        if isinstance(plan, Malformed):
            raise invalid("plan", f"is not valid: {'; '.join(map(str, plan.problems))}")
        return plan, None
    if not body.request.strip():
        raise invalid("request", "is empty")
    (choice,) = await asking.choices(served, Question(body.request))
    if not (choice.answer.sure and choice.answer.finished):
        what = "the planner is not sure of its plan, so it is not run"
        raise ApiError(422, what, param="request", code="not_sure")
    return choice.plan, choice.answer
