"""Corrections by hand: step by step or whole, renumbered, and never a plan that is not valid."""

from collections.abc import Iterator, Sequence

import pytest

from platypus.catalogue.reading import read_catalogue
from platypus.chat.correcting import correct_by_steps, read_typed
from platypus.plan.notation import print_plan
from platypus.plan.plan import Malformed, Plan
from tests.support.command import CRM
from tests.support.scripted_planner import SUMMARY

TOOLS = read_catalogue(CRM)


class Person:
    """Types these lines (None: what stands there), and remembers what was said."""

    def __init__(self, lines: Sequence[str | None]) -> None:
        self.lines: Iterator[str | None] = iter(lines)
        self.asked: list[str] = []
        self.told: list[str] = []

    def ask(self, label: str, default: str) -> str:
        self.asked.append(label + default)
        line = next(self.lines)
        return default if line is None else line

    def corrects(self, plan: Plan) -> str:
        return print_plan(correct_by_steps(plan, TOOLS, ask=self.ask, complain=self.told.append), "calls")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([None, None, None], 'search(customer="CustomerABC")\nsummarize(objects=$0)'),
        (['search(customer="B")', None, ""], 'search(customer="B")\nsummarize(objects=$0)'),
        ([None, "", ""], 'search(customer="CustomerABC")'),
        (
            ['+search(customer="B")', None, None, ""],
            'search(customer="B")\nsearch(customer="CustomerABC")\nsummarize(objects=$1)',
        ),
        ([None, None, "action_item(objects=$0)", ""], None),
        (["-", "-", ""], "[]"),
    ],
)
def test_steps_are_changed_removed_put_between_and_added(lines: list[str | None], expected: str | None) -> None:
    person = Person(lines)
    corrected = person.corrects(SUMMARY)
    assert corrected == expected if expected else corrected.endswith("\naction_item(objects=$0)")
    assert person.told == []


def test_what_is_not_valid_is_told_and_asked_again() -> None:
    person = Person(
        [
            None,
            "fly(to=$0)",
            "summarize(objects=$1)",
            "summarize(objects=",
            "summarize(objects=$0) x",
            None,
            "summarize(objects=$0)",
            "",
        ]
    )
    assert person.corrects(SUMMARY) == print_plan(SUMMARY, "calls")
    told = "\n".join(person.told)
    assert "no tool is named 'fly'" in told and "its own output" in told
    assert "expected a value" in told and "expected the end of the line" in told
    assert person.asked[2:4] == ["$1 = fly(to=$0)", "$1 = summarize(objects=$1)"]


def test_a_reference_to_a_removed_step_has_to_be_replaced() -> None:
    person = Person(["-", None, '+search(customer="B")', "summarize(objects=$0)", ""])
    assert person.corrects(SUMMARY) == 'search(customer="B")\nsummarize(objects=$0)'
    assert person.asked[1] == "$0 = summarize(objects=$-1)" and "expected a reference" in person.told[0]


def test_a_plan_is_read_from_json_or_calls() -> None:
    for notation in ("json", "calls"):
        assert read_typed(f" {print_plan(SUMMARY, notation)}\n", TOOLS) == SUMMARY  # type: ignore[arg-type]
    assert read_typed("[]", TOOLS) == Plan()
    for text in ("fly()", '[{"tool_name": "fly", "arguments": []}]', "{", "not a plan"):
        assert isinstance(read_typed(text, TOOLS), Malformed)
