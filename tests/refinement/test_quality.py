"""Doubts: real ones are found, and values in other words raise none."""

import sys
from typing import Any

import pytest

from platypus.catalogue.reading import catalogue_from_json, read_catalogue
from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Example, Instruction
from platypus.errors import DatasetError
from platypus.plan.plan import Plan, Reference, Step
from platypus.refinement.quality import RequestBounds, check_row
from tests.support.command import ROOT

BOUNDS = RequestBounds(2, 200)


@pytest.fixture(scope="module")
def tracker() -> Catalogue:
    return read_catalogue(ROOT / "examples" / "worktracker" / "catalogue.json")


@pytest.fixture(scope="module")
def prose() -> Catalogue:
    """Tools whose outputs are described only in prose, in the original task's format."""

    def tool(name: str, says: str, returns: str | None, *arguments: dict[str, Any]) -> dict[str, Any]:
        return {"name": name, "description": says, "returns": returns, "arguments": list(arguments)}

    query = {"name": "query", "type": "string", "description": "what to look for"}
    owner = {"name": "owned_by", "type": "array of strings", "description": "Filters by users", "examples": ["DEVU-1"]}
    objects = {"name": "objects", "type": "array of objects", "description": "objects to summarize"}
    return catalogue_from_json(
        [
            tool("find", "Returns the id of a matching object", "id of the matching object", query),
            tool("current_sprint", "Returns the ID of the current sprint", "ID of the current sprint"),
            tool("list_work", "Returns work items", "list of work items", owner),
            tool("summarize", "Summarizes objects", "summary", objects),
        ]
    )


def kinds(query: str, plan: Plan, catalogue: Catalogue | None, bounds: RequestBounds = BOUNDS) -> list[str]:
    return [finding.kind for finding in check_row(Example(query, plan, "", {}), catalogue, bounds).findings]


def works(**filters: Any) -> Plan:
    return Plan((Step("works_list", filters),))


@pytest.mark.parametrize(
    ("query", "filters", "missing"),
    [
        ("My issues in triage", {"type": ["issue"], "stage.name": ["triage"]}, []),
        ("Everything in Code-Review", {"stage.name": ["code review"]}, []),
        ("The three newest tasks", {"limit": 3, "type": ["task"]}, []),
        ("All that DEVU-7 owns", {"owned_by": ["DEVU-7"]}, []),
        ("All that devu 7 owns", {"owned_by": ["DEVU-7"]}, []),
        ("Any issue, ticket or whatever", {"type": ["issue", "ticket", "task"]}, []),
        ("Tickets that wait for us", {"type": ["ticket"], "ticket.needs_response": True}, []),
        ("What is there to do", {"limit": 50}, []),
        ("The urgent ones", {"issue.priority": ["p0"]}, ["'p0' (issue.priority) is not in the request"]),
        ("All that DEVU-77 owns", {"owned_by": ["DEVU-7"]}, []),
        ("All that DEVU-8 owns", {"owned_by": ["DEVU-7"]}, ["'DEVU-7' (owned_by) is not in the request"]),
    ],
)
def test_a_literal_that_the_request_does_not_name_is_a_doubt(
    query: str, filters: dict[str, Any], missing: list[str], tracker: Catalogue
) -> None:
    checked = check_row(Example(query, works(**filters), "", {}), tracker, BOUNDS)
    assert [finding.what for finding in checked.findings] == missing
    assert {finding.kind for finding in checked.findings} <= {"ungrounded"}
    assert checked.grounded == 1 - len(missing)


def test_a_long_text_need_not_be_named_word_by_word(tracker: Catalogue) -> None:
    def said(text: str) -> list[str]:
        plan = Plan((Step("create_actionable_tasks_from_text", {"text": text}),))
        return kinds("Make tasks of this: call the printer and order new paper", plan, tracker)

    assert said("Call the printer, then order some new paper") == []
    assert said("Book a hotel in Lisbon for the team") == ["ungrounded"]


def test_an_unused_step_before_the_last_is_a_doubt(tracker: Catalogue) -> None:
    me, task = Step("who_am_i"), Step("create_actionable_tasks_from_text", {"text": "buy milk"})
    listed = Step("works_list", {"type": ["task"]})
    assert kinds("buy milk, and list each task", Plan((me, task)), tracker) == ["unused-step"]
    assert kinds("buy milk, and list each task", Plan((task, listed)), tracker) == []
    used = Plan((me, Step("works_list", {"owned_by": [Reference(0)]})))
    assert kinds("what do I own", used, tracker) == []


def test_references_to_outputs_that_only_prose_describes(prose: Catalogue) -> None:
    def plan(first: Step, tool: str, **arguments: Any) -> Plan:
        return Plan((first, Step(tool, arguments)))

    find, sprint = Step("find", {"query": "Globex"}), Step("current_sprint")
    assert kinds("what Globex owns", plan(find, "list_work", owned_by=[Reference(0)]), prose) == []
    assert kinds("what the sprint owns", plan(sprint, "list_work", owned_by=[Reference(0)]), prose) == [
        "loose-reference"
    ]
    assert kinds("sum up Globex", plan(find, "summarize", objects=Reference(0)), prose) == ["loose-reference"]
    listed = Step("list_work", {"owned_by": ["DEVU-1"]})
    assert kinds("sum up what DEVU-1 owns", plan(listed, "summarize", objects=Reference(0)), prose) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("write to ann.lee@example.org today", ["personal-data"]),
        ("call +49 171 555 0199 at noon", ["personal-data"]),
        ("charge 4111 1111 1111 1111 for it", ["personal-data"]),
        ("charge 4111 1111 1111 1112 for it", []),
        ("his number is 078-05-1120 there", ["personal-data"]),
        ("pay to DE89 3704 0044 0532 0130 00 now", ["personal-data"]),
        ("use AKIAIOSFODNN7EXAMPLE for it", ["secret"]),
        ("log in, password: hunter2000", ["secret"]),
        ("take sk-proj-abcdefghijklmnopqrstuvwx please", ["secret"]),
        ("-----BEGIN RSA PRIVATE KEY----- and so on", ["secret"]),
        ("all tickets of REV-1234567 in 2024-11-25", []),
        ("compare TKT-4111 with ISS-20240101 and DEVU-7", []),
        ("how do I reset a password", []),
    ],
)
def test_secrets_and_personal_data(text: str, found: list[str]) -> None:
    findings = check_row(Instruction(text, "", "", {}), None, BOUNDS).findings
    assert [finding.kind for finding in findings] == found
    assert all(len(finding.what.rpartition(" ")[2]) <= 4 for finding in findings)


def test_secrets_in_plans_and_answers(tracker: Catalogue) -> None:
    plan = Plan((Step("search_object_by_name", {"query": "ann.lee@example.org"}),))
    assert "personal-data" in kinds("find that person", plan, tracker)
    assert check_row(Instruction("Who is it?", "", "ann.lee@example.org", {}), None, BOUNDS).findings


def test_lengths(tracker: Catalogue) -> None:
    assert kinds("tasks", Plan(), tracker) == ["length"]
    assert kinds("my tasks", Plan(), tracker) == []
    assert kinds("word " * 201, Plan(), tracker) == ["length"]
    assert kinds("one two three", Plan(), None, RequestBounds(4, 9)) == ["length"]


def test_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    class Told:
        @staticmethod
        def classify(text: str) -> tuple[str, float]:
            return ("de" if "und" in text.split() else "en", 0.0)

    bounds = RequestBounds(1, 9, ("en",))
    monkeypatch.setitem(sys.modules, "py3langid", Told)
    assert kinds("Katzen und Hunde", Plan(), None, bounds) == ["language"]
    assert kinds("cats and dogs", Plan(), None, bounds) == []
    monkeypatch.setitem(sys.modules, "py3langid", None)
    with pytest.raises(DatasetError, match="py3langid") as caught:
        kinds("cats and dogs", Plan(), None, bounds)
    assert "platypus-llm[language]" in caught.value.remedy
