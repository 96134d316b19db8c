"""The endpoints of our own: plans with probabilities and their graph, scores, checks, the catalogue, corrections.

A problem of a plan is told with the step and the argument it is in, so that an editor can show it there.
"""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from platypus.catalogue.tools import Argument, Catalogue, Tool
from platypus.plan.plan import Malformed, Plan, Problem, Reference, plan_from_json
from platypus.run.corrections import Corrections
from platypus.serving.asking import Asking, Choice, Question
from platypus.serving.errors import ApiError, invalid
from platypus.serving.limits import Limits
from platypus.serving.openai_common import new_id, read_tools
from platypus.serving.planners import Planners, Served

EXAMPLES = 8
LOOKED_AT = 2000  # rows of a run in which examples are looked for
PLACE = re.compile(r"step (?P<step>\d+)(?: \([^)]*\))?(?:, argument (?P<argument>'.*'|\".*\"))?")


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    model: str | None = None
    tools: list[dict[str, Any]] | None = None


class PlanRequest(_Body):
    """The body of /v1/plan: `k` is the number of plans that are wanted."""

    request: str = Field(min_length=1)
    k: int = Field(1, ge=1)


class CheckRequest(_Body):
    """The body of /v1/check."""

    plan: Any


class ScoreRequest(CheckRequest):
    """The body of /v1/score."""

    request: str = Field(min_length=1)


class CorrectionRequest(ScoreRequest):
    """The body of /v1/corrections: the plan that is right, and the one that had been answered."""

    answered: Any = None


def sent_tools(tools: list[dict[str, Any]] | None, limits: Limits) -> Catalogue | None:
    """The tools that a request sends, in any shape that `read_tools` or a catalogue file has."""
    if not tools or any(tool.get("type") == "function" for tool in tools):
        return read_tools(tools, limits)
    wrapped = [{"type": "function", "function": tool} for tool in tools]
    return read_tools(wrapped, limits)


def list_models(planners: Planners) -> dict[str, Any]:
    """The answer of /v1/models."""
    return {"object": "list", "data": [show_model(one, planners) for one in planners.served.values()]}


def show_model(served: Served, planners: Planners) -> dict[str, Any]:
    """One entry of /v1/models."""
    known = {"tools": len(served.catalogue or ()), "notation": served.planner.prompt.notation}
    own = {**known, "default": served is planners.default, "source": served.planner.loaded.source}
    head = {"id": served.name, "object": "model", "created": served.created, "owned_by": "platypus"}
    return {**head, "platypus": own}


def show_catalogue(served: Served) -> dict[str, Any]:
    """The answer of /v1/catalogue."""
    tools = [_tool(tool) for tool in served.catalogue or ()]
    return {"model": served.name, "tools": tools, "examples": list(_examples(served))}


def _tool(tool: Tool) -> dict[str, Any]:
    arguments = [_argument(argument) for argument in tool.arguments]
    head = {"name": tool.name, "title": tool.title, "description": tool.description}
    return {**head, "arguments": arguments, "output_schema": dict(tool.output) or None}


def _argument(argument: Argument) -> dict[str, Any]:
    head = {"name": argument.name, "description": argument.description, "required": argument.required}
    return {**head, "schema": dict(argument.schema)}


def _examples(served: Served) -> Iterator[str]:
    """Requests of the run's own examples, each with a plan that calls a tool which no earlier one calls."""
    run = served.run
    if run is None or not run.is_done("refine") or served.catalogue != run.catalogue:
        return
    seen: set[str] = set()
    count = 0
    with (run.folder("refine") / "train.jsonl").open(encoding="utf-8") as lines:
        for _, line in zip(range(LOOKED_AT), lines, strict=False):
            row = json.loads(line)
            called = {step["tool_name"] for step in row.get("plan", ())}
            if called - seen and count < EXAMPLES:
                seen |= called
                count += 1
                yield row["query"]


async def make_plans(body: PlanRequest, served: Served, asking: Asking) -> dict[str, Any]:
    """The answer of /v1/plan."""
    limits, started = asking.engine.limits, time.monotonic()
    if body.k > limits.choices:
        raise ApiError(422, f"k: {limits.choices} plans at most", param="k", code="too_many_choices")
    if not body.request.strip():
        raise invalid("request", "is empty")
    choices = await asking.choices(served, Question(body.request, tools=sent_tools(body.tools, limits), count=body.k))
    return {
        "id": new_id("plan"),
        "model": served.name,
        "request": body.request,
        "plans": [_planned(choice) for choice in choices],
        "seconds": round(time.monotonic() - started, 4),
    }


def _planned(choice: Choice) -> dict[str, Any]:
    return choice.to_json() | {"graph": graph(choice.plan)}


def graph(plan: Plan) -> dict[str, Any]:
    """A plan as nodes and edges: an edge for each reference, from the step that gives to the one that takes."""
    nodes = [{"id": number, **step.to_json()} for number, step in enumerate(plan.steps)]
    edges = [
        {"from": value.step, "to": number, "argument": name, "reference": str(value)}
        for number, step in enumerate(plan.steps)
        for name, given in step.arguments.items()
        for value in (given if isinstance(given, list) else [given])
        if isinstance(value, Reference)
    ]
    return {"nodes": nodes, "edges": edges}


def check(given: Any, tools: Catalogue) -> tuple[Plan | None, list[dict[str, Any]]]:
    """The plan, if it is valid for the tools, and its problems."""
    read = plan_from_json(given, tools, text="")
    if isinstance(read, Malformed):
        return None, [_problem(problem) for problem in read.problems]
    return read, []


def _problem(problem: Problem) -> dict[str, Any]:
    place = PLACE.fullmatch(problem.where)
    step = int(place["step"]) - 1 if place else None
    argument = place["argument"][1:-1] if place and place["argument"] else None
    return {"step": step, "argument": argument, "message": problem.what}


def check_plan(body: CheckRequest, served: Served, planners: Planners, limits: Limits) -> dict[str, Any]:
    """The answer of /v1/check."""
    valid, problems = check(body.plan, planners.tools(served, sent_tools(body.tools, limits)))
    return {"valid": valid is not None, "problems": problems}


async def score_plan(body: ScoreRequest, served: Served, asking: Asking) -> dict[str, Any]:
    """The answer of /v1/score; a plan that is not valid has no probability."""
    sent = sent_tools(body.tools, asking.engine.limits)
    valid, problems = check(body.plan, asking.planners.tools(served, sent))
    probability = 0.0 if valid is None else await asking.probability(served, sent, body.request, valid)
    return {"probability": probability, "valid": valid is not None, "problems": problems}


def add_correction(body: CorrectionRequest, served: Served, planners: Planners, limits: Limits) -> dict[str, Any]:
    """The answer of POST /v1/corrections. Raises ApiError 422 with the problems of a plan that is not valid."""
    tools = planners.tools(served, sent_tools(body.tools, limits))
    if not body.request.strip():
        raise invalid("request", "is empty")
    valid, problems = check(body.plan, tools)
    if valid is None:
        raise InvalidPlan(problems)
    answered = None if body.answered is None else plan_from_json(body.answered)
    if isinstance(answered, Malformed):
        raise invalid("answered", f"is no plan: {answered.reason}")
    corrections = Corrections(served.corrections, served.run)
    id = corrections.add(served.planner.dated(body.request), valid, tools, answered=answered, model=served.name)
    return {"id": id, "waiting": len(corrections.waiting()), "command": corrections.command}


def list_corrections(served: Served) -> dict[str, Any]:
    """The answer of GET /v1/corrections: those that wait to be learned."""
    corrections = Corrections(served.corrections, served.run)
    waiting = corrections.waiting()
    listed = [{"request": row["query"], "plan": row["plan"], "time": row["origin"]["time"]} for row in waiting]
    return {"waiting": len(waiting), "command": corrections.command, "examples": listed}


class InvalidPlan(ApiError):
    """A plan that cannot be kept as right, since it is not valid."""

    def __init__(self, problems: list[dict[str, Any]]) -> None:
        first = problems[0]["message"]
        super().__init__(422, f"the plan is not valid: {first}", param="plan", code="invalid_plan")
        self.problems = problems

    def to_json(self) -> dict[str, Any]:
        """The body of the answer."""
        return super().to_json() | {"problems": self.problems}
