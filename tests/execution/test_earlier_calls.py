"""Calls of earlier plans: taken once, not repeated where nobody knows, and recognised in a masked trace."""

from typing import Any

import pytest

from platypus.execution.back_ends.back_end import CallFailed
from platypus.execution.earlier_calls import EarlierCalls
from platypus.execution.masking import Masking
from platypus.execution.results import ToolResult


def earlier(*events: dict[str, Any], arguments: Any = None) -> EarlierCalls:
    calls = EarlierCalls(Masking())
    calls.add(({"number": 0, "step": 0, **event} for event in events), arguments)
    return calls


CALL = {"event": "call", "tool": "send", "arguments": {"to": "ada", "body": "x"}}
RESULT = {"event": "result", "result": {"text": "sent"}}


def take(calls: EarlierCalls, *, may_repeat: bool = False, **arguments: Any) -> ToolResult | None:
    return calls.take("send", arguments, may_repeat=may_repeat)


def test_a_result_is_taken_once_whatever_the_order_of_arguments() -> None:
    calls = earlier(CALL, RESULT)
    assert take(calls, to="ada") is None and calls.take("other", CALL["arguments"], may_repeat=False) is None
    assert take(calls, body="x", to="ada") == ToolResult(text="sent")
    assert take(calls, body="x", to="ada") is None
    calls.add([])  # the plan that took it ends
    assert take(calls, body="x", to="ada") == ToolResult(text="sent")


@pytest.mark.parametrize("kind", ["lost", "timeout", "cancelled", "garbage", "size", None])
def test_where_nobody_knows_it_is_not_repeated(kind: str | None) -> None:
    calls = earlier(CALL, *([{"event": "error", "kind": kind}] if kind else []))
    with pytest.raises(CallFailed, match="it is not repeated by itself"):
        take(calls, to="ada", body="x")
    assert take(calls, may_repeat=True, to="ada", body="x") is None


@pytest.mark.parametrize("kind", ["unsent", "refused", "error"])
def test_what_surely_failed_may_be_tried_again(kind: str) -> None:
    assert take(earlier(CALL, {"event": "error", "kind": kind}), to="ada", body="x") is None


@pytest.mark.parametrize("kind", ["unsent", "refused", "error"])
def test_a_later_call_says_nothing_of_the_one_before(kind: str) -> None:
    lost = {"event": "error", "kind": "lost"}
    with pytest.raises(CallFailed, match="it is not repeated by itself"):
        take(earlier(CALL, lost, CALL, {"event": "error", "kind": kind}), to="ada", body="x")


def test_a_masked_call_of_a_trace_is_not_taken_for_another() -> None:
    masked = {**CALL, "arguments": {"token": "***"}, "masked": True}
    with pytest.raises(CallFailed):
        take(earlier(masked, RESULT), token="abcdefgh")
    known = earlier(masked, RESULT, arguments={0: {"token": "abcdefgh"}})
    assert take(known, token="another-one") is None and take(known, token="abcdefgh") == ToolResult(text="sent")
