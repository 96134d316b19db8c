"""Asking: steps are printed when they are complete, doubts and limits are told, and answers become records."""

from collections.abc import Iterator
from typing import Any

import pytest

from platypus.chat.asking import Screen, ask, record
from platypus.chat.showing import plan_lines, readable_lines
from platypus.inference.calibration import Calibration
from platypus.inference.planner import Answer
from platypus.plan.plan import Plan
from platypus.run.settings import DecodeSettings
from tests.support.scripted_planner import SUMMARY, Scripted

Capture = pytest.CaptureFixture[str]
TEXTS = {
    "Sum up": str(SUMMARY),
    "Go": '[{"tool_name": "fly", "arguments": []}, {"tool_name": "swim", "arguments": []}]',
}
SHOWN = "".join(f"{line.plain}\n" for line in plan_lines(SUMMARY))


def asked(request: str = "Sum up", *, screen: Screen | None = None, **options: Any) -> Answer:
    planner: Any = Scripted(TEXTS, **options)
    return ask(planner, request, screen or Screen(), max_new_tokens=100)


def test_steps_are_shown_when_complete_but_not_before_the_planner_is_sure(capsys: Capture) -> None:
    printed: list[str] = []

    class Watched(Scripted):
        def watch(self, request: str, **_: object) -> Iterator[Plan | Answer]:
            for update in super().watch(request):
                yield update
                printed.append(capsys.readouterr().out)

    first, second = SHOWN[: SHOWN.index("2.")], SHOWN[SHOWN.index("2.") :]
    planner: Any = Watched(TEXTS)
    ask(planner, "Sum up", Screen(), max_new_tokens=100)
    assert [*printed, capsys.readouterr().out] == [first, second]
    for screen, least, expected in ((Screen(), 0.5, SHOWN), (Screen(as_json=True), 0.0, f"{SUMMARY}\n")):
        printed.clear()
        wary: Any = Watched(TEXTS, settings=DecodeSettings(min_confidence=least))
        ask(wary, "Sum up", screen, max_new_tokens=100)
        assert printed == [""] and capsys.readouterr().out == expected


def test_a_plan_may_have_one_line_for_each_step(capsys: Capture) -> None:
    asked(screen=Screen(readable_lines))
    assert capsys.readouterr().out == '1. search(customer = "CustomerABC")\n2. summarize(objects = output of step 1)\n'


def test_a_plan_that_the_planner_is_not_sure_of_is_not_printed_as_an_answer(capsys: Capture) -> None:
    answer = asked(settings=DecodeSettings(min_confidence=0.5), confidence=0.314)
    captured = capsys.readouterr()
    assert captured.out == "" and not answer.sure
    assert f"not sure: the confidence is 31%, and at least 50% is required; it might be\n{SHOWN}" in captured.err


def test_limits_and_confidence_are_reported_with_the_plan(capsys: Capture) -> None:
    for options, told in (
        ({"confidence": 0.876}, "confidence 88% (`platypus evaluate` calibrates it)\n"),
        ({"confidence": 0.876, "calibration": Calibration(1, 0, 40)}, "confidence 88%\n"),
        ({"confidence": 0.0, "ended_by": "length"}, "cut after 100 tokens: a valid plan, but perhaps not"),
        ({"confidence": 0.0, "ended_by": "time", "settings": DecodeSettings(seconds=1.5)}, "cut after 1.5 s: a valid"),
    ):
        asked(**options)  # type: ignore[arg-type]
        captured = capsys.readouterr()
        assert told in captured.err and captured.out == SHOWN
    asked(confidence=0.0, ended_by="length", settings=DecodeSettings(min_confidence=0.1))
    assert "not sure: the plan was cut by a limit" in capsys.readouterr().err


def test_a_malformed_answer_is_shown_with_every_problem(capsys: Capture) -> None:
    answer = asked("Go")
    captured = capsys.readouterr()
    assert captured.out == "" and TEXTS["Go"] in captured.err
    assert "no tool is named 'fly'" in captured.err and "no tool is named 'swim'" in captured.err
    written = record("Go", answer)
    assert written["plan"] is None and written["text"] == TEXTS["Go"] and len(written["problems"]) == 2


def test_an_answer_becomes_a_record() -> None:
    known = {"probability": 0.9, "confidence": 0.9, "sure": True, "ended_by": "model"}
    answer = asked(confidence=0.9)
    assert record("Sum up", answer) == {"request": "Sum up", "plan": SUMMARY.to_json(), **known}
    assert record("Sum it up", answer)["read_as"] == "Sum up"
