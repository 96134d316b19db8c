"""Answers of a model behind an OpenAI-compatible endpoint, which so stands beside planners in one table.

Asked for `calls`, the endpoint is sent the request and the tools, as any client sends them, and its tool calls are the
plan; a call may refer to an earlier one's output by `$$PREV[i]`, as `platypus serve` writes it. A text without calls
means that nothing is to be called. Asked for a `plan`, it is told the rules and answers with a plan as JSON. Nothing is
repaired.
"""

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Literal

from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Example
from platypus.evaluation.answering import Said, ScoredRow, scored
from platypus.files import say
from platypus.generation.teacher.endpoint import Endpoint, Question, Reply, Unanswered
from platypus.generation.teacher.prompts import list_in, plan_question
from platypus.plan.plan import Malformed, Plan, Problem, parse_json, plan_from_json

Ask = Literal["calls", "plan"]
UNANSWERED = "unanswered"  # the kind of problem


async def answer_remotely(
    endpoint: Endpoint, rows: Sequence[Example], catalogue: Catalogue | None, *, ask: Ask
) -> list[ScoredRow]:
    """The rows with the endpoint's answers, in order. A question that gets no answer is answered wrongly; it is said.

    Raises TeacherError where further questions are useless.
    """
    under_way = asyncio.Semaphore(endpoint.settings.concurrency)

    async def one(row: Example) -> ScoredRow:
        tools = row.known_tools(catalogue)
        assert tools is not None  # rows without tools were refused when they were read
        async with under_way:
            return scored(row, await _said(endpoint, row.query, tools, ask), tools)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(row)) for row in rows]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    answered = [task.result() for task in tasks]
    plans = [row.plan for row in answered if isinstance(row.plan, Malformed)]
    if faults := [plan.reason for plan in plans if plan.problems[0].kind == UNANSWERED]:
        what = f"{len(faults)} of {len(rows)} questions got no answer and count as wrong: {faults[0]}"
        say(f"{endpoint.settings.base_url}: {what}")
    return answered


async def _said(endpoint: Endpoint, request: str, tools: Catalogue, ask: Ask) -> Said:
    question = (
        Question(({"role": "user", "content": request},), 0.0, {"tools": [_function(tool) for tool in tools.to_json()]})
        if ask == "calls"
        else plan_question(request, tools, again=False, temperature=0.0)
    )
    try:
        reply = await endpoint.ask(question)
    except Unanswered as error:
        return Said("", Malformed("", (Problem(UNANSWERED, str(error)),)), None)
    return read_reply(reply, tools, ask)


def _function(tool: dict[str, Any]) -> dict[str, Any]:
    """An MCP definition as a function of the chat API."""
    function = {"name": tool["name"], "description": tool.get("description", ""), "parameters": tool["inputSchema"]}
    return {"type": "function", "function": function}


def read_reply(reply: Reply, tools: Catalogue, ask: Ask) -> Said:
    """What a reply says. One that the token limit cut is malformed."""
    text = (
        json.dumps([{"name": name, "arguments": given} for name, given in reply.calls]) if reply.calls else reply.text
    )
    if not reply.whole:
        cut = Problem("unfinished", "the answer was cut off")
        return Said(text, Malformed(text, (cut,)), None, reply.completion_tokens, cut=True)
    data = _plan_data(reply, ask)
    if isinstance(data, Malformed):
        return Said(text, data, None, reply.completion_tokens)
    said = plan_from_json(data)
    plan = plan_from_json(data, tools, text=text)
    return Said(text, plan, said if isinstance(said, Plan) else None, reply.completion_tokens)


def _plan_data(reply: Reply, ask: Ask) -> Any:
    """The plan in a reply as data; Malformed if it holds none."""
    if ask == "plan":
        return parse_json(list_in(reply.text))
    steps = []
    for name, given in reply.calls:
        arguments = parse_json(given or "{}")
        if not isinstance(arguments, dict):
            return Malformed(given, (Problem("structure", f"the arguments of {name} are no JSON object"),))
        named = [{"argument_name": key, "argument_value": value} for key, value in arguments.items()]
        steps.append({"tool_name": name, "arguments": named})
    return steps
