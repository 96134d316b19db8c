"""Clauses: imperatives, gerunds, questions and nouns alone."""

from random import Random

import pytest

from platypus.catalogue.reading import catalogue_from_json, read_catalogue
from platypus.catalogue.tools import Catalogue
from platypus.generation.requests.clauses import Clauses
from platypus.generation.requests.tool_phrases import ToolPhrases
from platypus.generation.requests.writer_style import WriterStyle
from platypus.plan.plan import Plan, Step
from tests.support.command import ROOT

STYLE = WriterStyle(quote="", polite="", before="", after="", lower=True, stop="", inside=False)


@pytest.fixture(scope="module")
def worktracker() -> Catalogue:
    return read_catalogue(ROOT / "examples" / "worktracker" / "catalogue.json")


def clauses(catalogue: Catalogue, step: Step, seed: int) -> Clauses:
    tool = catalogue.tool(step.tool)
    assert tool is not None
    return Clauses(Random(seed), Plan((step,)), [ToolPhrases(tool)], STYLE, frozenset())


def test_imperatives_and_gerunds(worktracker: Catalogue) -> None:
    summarize = Step("summarize_objects", {"objects": ["ISS-1"]})
    said = {clauses(worktracker, summarize, seed).clause(0) for seed in range(80)}
    assert {"summarize ISS-1", "give me a summary of ISS-1", "summarize work item ISS-1 in a short text"} <= said
    done = {clauses(worktracker, summarize, seed).clause(0, ing=True) for seed in range(80)}
    assert {"summarizing ISS-1", "getting a summary of ISS-1"} <= done
    assert not any("me a summary" in text for text in done)


def test_lookups_by_name(worktracker: Catalogue) -> None:
    find = Step("search_object_by_name", {"query": "Nova"})
    said = {clauses(worktracker, find, seed).clause(0) for seed in range(200)}
    assert {"search for objects related to Nova", "find Nova", "get the ID of Nova"} <= said


def test_questions(worktracker: Catalogue) -> None:
    tasks = Step("works_list", {"type": ["task"]})
    asked = {clauses(worktracker, tasks, seed).question(0) for seed in range(80)}
    assert {"what are the tasks", "which tasks do we have", "are there any tasks"} <= asked
    assert {clauses(worktracker, Step("who_am_i"), seed).question(0) for seed in range(40)} >= {"who am I"}
    assert {clauses(worktracker, Step("get_sprint_id"), seed).question(0) for seed in range(40)} >= {
        "what is the current sprint"
    }
    assert clauses(worktracker, Step("summarize_objects", {"objects": ["ISS-1"]}), 0).question(0) is None


def test_nouns_alone(worktracker: Catalogue) -> None:
    owned = Step("works_list", {"owned_by": ["DEVU-4"]})
    assert "work items owned by DEVU-4" in {clauses(worktracker, owned, seed).terse(0) for seed in range(60)}
    assert clauses(worktracker, Step("works_list"), 0).terse(0) is None  # "work items" asks for nothing


def test_an_action_of_a_tool_that_manages_is_the_verb() -> None:
    kinds = {"type": "object", "properties": {"action": {"enum": ["cordon", "drain"]}}, "required": ["action"]}
    made = catalogue_from_json([{"name": "nodes", "description": "Manage cluster nodes.", "inputSchema": kinds}])
    assert clauses(made, Step("nodes", {"action": "drain"}), 0).clause(0) == "drain cluster nodes"
