"""The events of a trace: whole ones, and what is said of damaged ones."""

from typing import Any

import pytest

from platypus.execution.events import damage

PLAN = [{"tool_name": "a", "arguments": [{"argument_name": "x", "argument_value": [1]}]}]
VERDICTS = [{"step": 0, "tool": "a", "verdict": "ask", "rule": "otherwise: ask"}]
OF_STEP = {"at": "now", "number": 0, "step": 0}
RESULT = {"event": "result", **OF_STEP, "seconds": 0.1, "result": {"structured": [1], "text": "1"}}
PLANNED = {"event": "plan", "at": "now", "number": 1, "shown": ["a"], "plan": PLAN, "verdicts": VERDICTS}


@pytest.mark.parametrize(
    "event",
    [
        PLANNED,
        RESULT,
        {**RESULT, "note": "odd", "masked": True},
        {"event": "start", "at": "now", "version": 1, "request": "", "plan": [], "verdicts": []},
        {"event": "answer", "at": "now", "question": "Run it?", "yes": True},
        {"event": "call", **OF_STEP, "attempt": 1, "tool": "a", "arguments": {"x": None}},
        {"event": "error", **OF_STEP, "seconds": 1, "kind": "lost", "what": "gone"},
        {"event": "reused", **OF_STEP, "result": {}},
        {"event": "resume", "at": "now", "number": 0, "verdicts": VERDICTS, "doubts": {}},
        {"event": "end", "at": "now", "ended": "done", "seconds": 1.5},
    ],
)
def test_whole_events(event: dict[str, Any]) -> None:
    assert damage(event) == ""


@pytest.mark.parametrize(
    ("event", "what"),
    [
        ({**RESULT, "step": -1}, "step: Input should be greater than or equal to 0"),
        ({**RESULT, "step": "0"}, "step: Input should be a valid integer"),
        ({**RESULT, "result": {"text": 7}}, "result.text: Input should be a valid string"),
        ({"event": "call", **OF_STEP}, "attempt: Field required"),
        ({"event": "end", "at": "now", "ended": "well", "seconds": 1.0}, "ended: Input should be"),
        ({**PLANNED, "plan": [7]}, "plan.0: Input should be"),
        ({**PLANNED, "verdicts": []}, "the verdicts are not those of the steps"),
        ({"event": "party", "at": "now"}, "Input tag 'party'"),
    ],
)
def test_damaged_events(event: dict[str, Any], what: str) -> None:
    assert what in damage(event)
