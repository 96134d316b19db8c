"""/v1/responses: its requests as questions, its answers whole and as events in the documented order.

After OpenAI's API reference for responses; a plan's steps are function calls. Nothing is stored: a request brings the
whole conversation. What is not supported is refused by name.
"""

import json
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from platypus.catalogue.tools import Catalogue
from platypus.serving.asking import Asking, Choice, Question, Started
from platypus.serving.calls import Call
from platypus.serving.conversation import Made, Result, Said, Turn, gather
from platypus.serving.errors import check_neutral, invalid, unsupported
from platypus.serving.limits import Limits
from platypus.serving.openai_common import (
    FORMATS,
    NO_EFFECT,
    ROLES,
    log_entries,
    new_id,
    read_references,
    read_seed,
    read_text,
    read_tool_choice,
    read_tools,
    written_as_tool,
)
from platypus.serving.planners import Served

# Parameters that are not supported, with the values that ask for nothing; those of `NO_EFFECT` have none here.
NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    **{"background": (False,), "conversation": (), "previous_response_id": (), "prompt": (), "max_tool_calls": ()},
    **{"reasoning": ({}, {"effort": None}, {"effort": "none"}), "store": (False,), "truncation": ("disabled",)},
    **{"top_logprobs": (0,), "top_p": (1,), "service_tier": ("auto", "default"), "context_management": ([],)},
    **{"moderation": (), "image": (), "access_programs": (), "background_options": (), "prompt_cache_options": ()},
    **{"prompt_cache_retention": ()},
}
LOGS = "message.output_text.logprobs"
INCLUDED = (LOGS, "reasoning.encrypted_content")  # there is no reasoning, so the second adds nothing
NOT_SHOWN = ("item_reference", "reasoning")  # items of earlier answers that say nothing about the request
TEXT_PARTS = ("input_text", "output_text", "text", "refusal")


class ResponsesRequest(BaseModel):
    """The body of a request; other parameters are checked by `NEUTRAL`."""

    model_config = ConfigDict(extra="allow", strict=True)

    model: str | None = None
    input: str | list[dict[str, Any]]
    instructions: str | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    text: dict[str, Any] | None = None
    include: list[str] | None = None
    seed: int | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    max_output_tokens: int | None = Field(None, ge=1)
    stream: bool | None = None
    stream_options: dict[str, Any] | None = None
    platypus: dict[str, Any] | None = None


def response_question(body: ResponsesRequest, limits: Limits) -> Question:
    """The question of a request. Raises ApiError that names the parameter at fault."""
    others = {name: value for name, value in (body.model_extra or {}).items() if name not in NO_EFFECT}
    check_neutral(others, NEUTRAL, used="/v1/responses")
    for place, name in enumerate(body.include or ()):
        if name not in INCLUDED:
            raise unsupported(f"include[{place}]", f"{name!r} is not supported, only {LOGS!r}")
    check_neutral(body.stream_options or {}, {"include_obfuscation": (False, True)}, used="stream_options")
    tools = read_tools(body.tools, limits)
    chosen = read_tool_choice(body.tool_choice, tools)
    form = _form(body.text)
    before = [] if body.instructions is None else [Said("system", body.instructions)]
    said = [Said("user", body.input)] if isinstance(body.input, str) else list(_turns(body.input))
    found = gather([*before, *said], param="input")
    question = Question(
        found.request,
        tools=tools,
        allowed=chosen.allowed,
        required=chosen.required,
        described=chosen.described,
        one=body.parallel_tool_calls is False,
        form=form,
        references=read_references(body.platypus),
        earlier=found.earlier,
        temperature=body.temperature or 0.0,
        seed=read_seed(body.seed),
        tokens=body.max_output_tokens,
        notes=found.notes,
    )
    return question.at_first()


def _form(given: Mapping[str, Any] | None) -> Catalogue | None:
    """The tool that stands for a JSON schema in `text.format`; None for text."""
    if given is None:
        return None
    check_neutral({k: v for k, v in given.items() if k != "format"}, {"verbosity": ()}, used="text")
    form = given.get("format")
    if form is None or (isinstance(form, Mapping) and form.get("type") == "text"):
        return None
    if not isinstance(form, Mapping) or form.get("type") != "json_schema":
        kind = form.get("type") if isinstance(form, Mapping) else form
        raise unsupported("text.format.type", f"{kind!r} is not supported, only {FORMATS}")
    return written_as_tool(form.get("schema"), form.get("name"), param="text.format.schema")


def _turns(items: Sequence[Mapping[str, Any]]) -> Iterator[Turn]:
    batch, in_batch = -1, False
    for place, item in enumerate(items):
        where, kind = f"input[{place}]", item.get("type", "message")
        if kind == "message":
            role = item.get("role")
            if not isinstance(role, str) or role not in ROLES:
                raise unsupported(f"{where}.role", f"{role!r} is not supported")
            yield Said(ROLES[role], read_text(item.get("content"), TEXT_PARTS, where=f"{where}.content"))
        elif kind == "function_call":
            batch += not in_batch
            known = (item.get("call_id"), item.get("name"), item.get("arguments"))
            if not all(isinstance(value, str) for value in known):
                raise invalid(where, "a function_call has call_id, name and arguments, all texts")
            yield Made(*known, batch, where)  # type: ignore[arg-type]
        elif kind == "function_call_output":
            if not isinstance(item.get("call_id"), str):
                raise invalid(f"{where}.call_id", "is missing")
            yield Result(item["call_id"], read_text(item.get("output"), TEXT_PARTS, where=f"{where}.output"), where)
        elif kind in NOT_SHOWN:
            yield Said("assistant", kind)
        else:
            raise unsupported(f"{where}.type", f"{kind!r} is not supported")
        in_batch = kind == "function_call"


def response_answer(body: ResponsesRequest, served: Served, choice: Choice) -> dict[str, Any]:
    """The whole answer."""
    return _finished(_head(body, served), choice, _output(body, choice))


async def response_events(
    body: ResponsesRequest, served: Served, asking: Asking, asked: Question
) -> AsyncGenerator[dict[str, Any] | Choice]:
    """The answer as events: each call as soon as its step is complete, its arguments in one piece; then the choice."""
    head, number = _head(body, served), 0
    output: list[dict[str, Any]] = []

    def numbered(kind: str, **fields: Any) -> dict[str, Any]:
        nonlocal number
        number += 1
        return {"type": kind, "sequence_number": number - 1, **fields}

    async with aclosing(asking.stream(served, asked)) as updates:
        async for update in updates:
            match update:
                case Started():
                    for kind in ("response.created", "response.in_progress"):
                        yield numbered(kind, response=head)
                case Call():
                    item = _call_item(update)
                    for kind, fields in _call_events(item, len(output)):
                        yield numbered(kind, **fields)
                    output.append(item)
                case Choice():
                    if not update.calls:
                        item = _message_item(body, update)
                        for kind, fields in _message_events(item, len(output)):
                            yield numbered(kind, **fields)
                        output.append(item)
                    whole = _finished(head, update, output)
                    yield numbered(f"response.{whole['status']}", response=whole)
                    yield update


def _call_events(item: dict[str, Any], place: int) -> Iterator[tuple[str, dict[str, Any]]]:
    at = {"item_id": item["id"], "output_index": place}
    opened = item | {"arguments": "", "status": "in_progress"}
    yield "response.output_item.added", {"output_index": place, "item": opened}
    yield "response.function_call_arguments.delta", {**at, "delta": item["arguments"]}
    yield "response.function_call_arguments.done", {**at, "name": item["name"], "arguments": item["arguments"]}
    yield "response.output_item.done", {"output_index": place, "item": item}


def _message_events(item: dict[str, Any], place: int) -> Iterator[tuple[str, dict[str, Any]]]:
    (part,) = item["content"]
    at = {"item_id": item["id"], "output_index": place, "content_index": 0}
    logs = part["logprobs"]
    yield "response.output_item.added", {"output_index": place, "item": item | {"content": [], "status": "in_progress"}}
    yield "response.content_part.added", {**at, "part": part | {"text": "", "logprobs": []}}
    yield "response.output_text.delta", {**at, "delta": part["text"], "logprobs": logs}
    yield "response.output_text.done", {**at, "text": part["text"], "logprobs": logs}
    yield "response.content_part.done", {**at, "part": part}
    yield "response.output_item.done", {"output_index": place, "item": item}


def _output(body: ResponsesRequest, choice: Choice) -> list[dict[str, Any]]:
    return [*map(_call_item, choice.calls)] or [_message_item(body, choice)]


def _call_item(call: Call) -> dict[str, Any]:
    arguments = json.dumps(call.arguments, ensure_ascii=False)
    head = {"type": "function_call", "id": new_id("fc"), "call_id": new_id("call"), "name": call.tool}
    return {**head, "arguments": arguments, "status": "completed"}


def _message_item(body: ResponsesRequest, choice: Choice) -> dict[str, Any]:
    logs = log_entries(choice) if LOGS in (body.include or ()) else []
    part = {"type": "output_text", "text": choice.text, "annotations": [], "logprobs": logs}
    status = "incomplete" if choice.finish == "length" else "completed"
    return {"type": "message", "id": new_id("msg"), "role": "assistant", "status": status, "content": [part]}


def _head(body: ResponsesRequest, served: Served) -> dict[str, Any]:
    """The response before there is an answer, with what the request asked for."""
    own = {"id": new_id("resp"), "object": "response", "created_at": int(time.time()), "status": "in_progress"}
    known = {"instructions": body.instructions, "max_output_tokens": body.max_output_tokens, "model": served.name}
    others = body.model_extra or {}
    return {
        **own,
        "background": False,
        "error": None,
        "incomplete_details": None,
        **known,
        "output": [],
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "previous_response_id": None,
        "store": False,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "truncation": "disabled",
        "temperature": body.temperature or 0.0,
        "top_p": 1.0,
        "text": body.text or {"format": {"type": "text"}},
        "tools": body.tools or [],
        "tool_choice": body.tool_choice or "auto",
        "usage": None,
        "metadata": others.get("metadata") or {},
        "user": others.get("user"),
    }


def _finished(head: dict[str, Any], choice: Choice, output: list[dict[str, Any]]) -> dict[str, Any]:
    cut = choice.finish == "length"
    tokens = choice.answer.tokens
    usage = {
        "input_tokens": choice.prompt_tokens,
        "input_tokens_details": {"cached_tokens": choice.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": choice.prompt_tokens + tokens,
    }
    details = {"reason": "max_output_tokens"} if cut else None
    ended = {"status": "incomplete" if cut else "completed", "incomplete_details": details}
    done = {"completed_at": None if cut else int(time.time()), "platypus": {"choices": [choice.to_json()]}}
    return head | ended | done | {"output": output, "usage": usage}
