"""/v1/chat/completions: its requests as questions, its answers whole and as chunks.

After OpenAI's API reference for chat completions; a plan's steps are tool calls. What is not supported is refused by
name.
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
from platypus.serving.errors import ApiError, check_neutral, invalid, unsupported
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
    **{"frequency_penalty": (0,), "presence_penalty": (0,), "logit_bias": ({},), "stop": ([],), "top_logprobs": (0,)},
    **{"top_p": (1,), "store": (False,), "modalities": (["text"],), "reasoning_effort": ("none",), "audio": ()},
    **{"prediction": (), "web_search_options": (), "functions": ([],), "function_call": (), "moderation": ()},
    **{"verbosity": (), "service_tier": ("auto", "default"), "prompt_cache_options": (), "prompt_cache_retention": ()},
}


class StreamOptions(BaseModel):
    """`stream_options`."""

    model_config = ConfigDict(extra="forbid")

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ChatRequest(BaseModel):
    """The body of a request; other parameters are checked by `NEUTRAL`."""

    model_config = ConfigDict(extra="allow", strict=True)

    model: str | None = None
    messages: list[dict[str, Any]] = Field(min_length=1)
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None
    n: int | None = Field(None, ge=1)
    seed: int | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    logprobs: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    platypus: dict[str, Any] | None = None


def chat_question(body: ChatRequest, limits: Limits) -> Question:
    """The question of a request. Raises ApiError that names the parameter at fault."""
    others = {name: value for name, value in (body.model_extra or {}).items() if name not in NO_EFFECT}
    check_neutral(others, NEUTRAL, used="/v1/chat/completions")
    if body.n is not None and body.n > limits.choices:
        raise ApiError(422, f"n: {limits.choices} choices at most", param="n", code="too_many_choices")
    if body.stream_options is not None and not body.stream:
        raise invalid("stream_options", "is only allowed with stream")
    tools = read_tools(body.tools, limits)
    chosen = read_tool_choice(body.tool_choice, tools)
    form = _form(body.response_format)
    if form is not None and (body.n or 1) > 1 and tools is not None:
        raise unsupported("n", "only 1 is supported with tools and a schema in one request")
    found = gather(list(_turns(body.messages)), param="messages")
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
        count=body.n or 1,
        temperature=body.temperature or 0.0,
        seed=read_seed(body.seed),
        tokens=body.max_completion_tokens or body.max_tokens,
        notes=found.notes,
    )
    return question.at_first()


def _form(given: Mapping[str, Any] | None) -> Catalogue | None:
    """The tool that stands for a JSON schema in `response_format`; None for text."""
    if given is None or given.get("type") == "text":
        return None
    if given.get("type") != "json_schema":
        raise unsupported("response_format.type", f"{given.get('type')!r} is not supported, only {FORMATS}")
    inner = given.get("json_schema")
    if not isinstance(inner, Mapping):
        raise invalid("response_format.json_schema", "is missing")
    return written_as_tool(inner.get("schema"), inner.get("name"), param="response_format.json_schema.schema")


def _turns(messages: Sequence[Mapping[str, Any]]) -> Iterator[Turn]:
    batch = -1
    for place, message in enumerate(messages):
        where, role = f"messages[{place}]", message.get("role")
        if role == "tool":
            called = message.get("tool_call_id")
            if not isinstance(called, str):
                raise invalid(f"{where}.tool_call_id", "is missing")
            yield Result(called, read_text(message.get("content"), ["text"], where=f"{where}.content"), where)
            continue
        if not isinstance(role, str) or role not in ROLES:
            raise unsupported(f"{where}.role", f"{role!r} is not supported")
        kinds = ["text", "refusal"] if role == "assistant" else ["text"]
        text = read_text(message.get("content"), kinds, where=f"{where}.content")
        yield Said(ROLES[role], text)
        if role == "assistant" and message.get("tool_calls"):
            batch += 1
            yield from _made(message["tool_calls"], batch, f"{where}.tool_calls")


def _made(calls: Any, batch: int, where: str) -> Iterator[Made]:
    for place, call in enumerate(calls if isinstance(calls, list) else [calls]):
        inner = call.get("function") if isinstance(call, Mapping) else None
        if not isinstance(inner, Mapping) or not isinstance(inner.get("name"), str):
            raise unsupported(f"{where}[{place}]", "only calls of functions are supported")
        arguments = inner.get("arguments", "")
        if not isinstance(call.get("id"), str) or not isinstance(arguments, str):
            raise invalid(f"{where}[{place}]", "has an id and arguments, both texts")
        yield Made(call["id"], inner["name"], arguments, batch, f"{where}[{place}]")


def chat_answer(body: ChatRequest, served: Served, choices: Sequence[Choice]) -> dict[str, Any]:
    """The whole answer."""
    return {
        **_head(served, new_id("chatcmpl"), "chat.completion"),
        "choices": [
            {
                "index": index,
                "message": {"role": "assistant", "content": choice.text or None, "refusal": None, **_called(choice)},
                "logprobs": {"content": log_entries(choice), "refusal": None} if body.logprobs else None,
                "finish_reason": choice.finish,
            }
            for index, choice in enumerate(choices)
        ],
        "usage": _usage(choices),
        "platypus": {"choices": [choice.to_json() for choice in choices]},
    }


async def chat_chunks(
    body: ChatRequest, served: Served, asking: Asking, asked: Question
) -> AsyncGenerator[dict[str, Any] | Choice]:
    """The answer as chunks: each call as soon as its step is complete, its arguments in one piece; then the choices."""
    head = _head(served, new_id("chatcmpl"), "chat.completion.chunk")
    with_usage = body.stream_options is not None and bool(body.stream_options.include_usage)

    def chunk(choices: list[dict[str, Any]], **others: Any) -> dict[str, Any]:
        return head | {"choices": choices} | ({"usage": None} if with_usage else {}) | others

    def part(delta: dict[str, Any], index: int = 0, finish: str | None = None, logs: Any = None) -> dict[str, Any]:
        return {"index": index, "delta": delta, "logprobs": logs, "finish_reason": finish}

    choices: list[Choice] = []
    if asked.count == 1:
        number = 0
        async with aclosing(asking.stream(served, asked)) as updates:
            async for update in updates:
                match update:
                    case Started():
                        yield chunk([part({"role": "assistant", "content": None, "refusal": None})])
                    case Call():
                        yield chunk([part({"tool_calls": [_call(update, number)]})])
                        number += 1
                    case Choice():
                        choices = [update]
    else:
        choices = await asking.choices(served, asked)
        for index, choice in enumerate(choices):
            yield chunk([part({"role": "assistant", "content": None, "refusal": None}, index)])
            for number, call in enumerate(choice.calls):
                yield chunk([part({"tool_calls": [_call(call, number)]}, index)])
    for index, choice in enumerate(choices):
        logs = {"content": log_entries(choice), "refusal": None} if body.logprobs else None
        if choice.text:
            yield chunk([part({"content": choice.text}, index)])
        yield chunk([part({}, index, choice.finish, logs)], platypus={"choices": [choice.to_json()]})
    if with_usage:
        yield chunk([], usage=_usage(choices))
    for choice in choices:
        yield choice


def _head(served: Served, id: str, kind: str) -> dict[str, Any]:
    return {"id": id, "object": kind, "created": int(time.time()), "model": served.name, "service_tier": "default"}


def _called(choice: Choice) -> dict[str, Any]:
    if not choice.calls:
        return {}
    return {"tool_calls": [{k: v for k, v in _call(call, 0).items() if k != "index"} for call in choice.calls]}


def _call(call: Call, index: int) -> dict[str, Any]:
    function = {"name": call.tool, "arguments": json.dumps(call.arguments, ensure_ascii=False)}
    return {"index": index, "id": new_id("call"), "type": "function", "function": function}


def _usage(choices: Sequence[Choice]) -> dict[str, Any]:
    prompt, cached = choices[0].prompt_tokens, choices[0].cached_tokens
    written = sum(choice.answer.tokens for choice in choices)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": written,
        "total_tokens": prompt + written,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }
