"""Expressions that refer back have one reading, or the draw is discarded."""

from random import Random

import pytest

from platypus.catalogue.reading import read_catalogue
from platypus.catalogue.tools import Catalogue
from platypus.generation.requests.discourse import Discourse, Unsayable, strings
from platypus.generation.requests.tool_phrases import ToolPhrases
from platypus.generation.requests.writer_style import draw_style
from platypus.plan.plan import Plan, Reference, Step
from tests.support.command import ROOT


@pytest.fixture(scope="module")
def worktracker() -> Catalogue:
    return read_catalogue(ROOT / "examples" / "worktracker" / "catalogue.json")


def mentions(catalogue: Catalogue, *steps: Step, said: list[int], seed: int = 0) -> Discourse:
    tools = [catalogue.tool(step.tool) for step in steps]
    rng = Random(seed)
    wordings = [ToolPhrases(tool) for tool in tools if tool]
    return Discourse(rng, Plan(steps), wordings, draw_style(rng, context=0), frozenset(), list(said), list(said))


def pointers(catalogue: Catalogue, *steps: Step, said: list[int], to: int) -> set[str]:
    return {mentions(catalogue, *steps, said=said, seed=seed).pointer(to) for seed in range(60)}


WORKS, SPRINT = Step("works_list", {"type": ["task"]}), Step("get_sprint_id")


def test_singular_and_plural_expressions(worktracker: Catalogue) -> None:
    """After both steps, "it" is the sprint and "them" are the tasks."""
    assert pointers(worktracker, WORKS, SPRINT, said=[0, 1], to=1) >= {"it", "that", "the sprint", "that sprint"}
    assert pointers(worktracker, WORKS, SPRINT, said=[0, 1], to=0) >= {"them", "those", "the tasks", "those tasks"}


def test_a_tool_that_passes_things_on_shares_their_noun(worktracker: Catalogue) -> None:
    sort = Step("prioritize_objects", {"objects": Reference(0)})
    assert mentions(worktracker, WORKS, sort, said=[0, 1]).head(1) == "tasks"
    first = pointers(worktracker, WORKS, sort, said=[0, 1], to=0)
    last = pointers(worktracker, WORKS, sort, said=[0, 1], to=1)
    assert first == {"the original tasks", "the tasks from before"}
    assert "the sorted tasks" in last and not first & last


def test_two_lookups_cannot_be_referred_back_to(worktracker: Catalogue) -> None:
    find = [Step("search_object_by_name", {"query": name}) for name in ("Nova", "Mia")]
    with pytest.raises(Unsayable):
        for seed in range(60):
            mentions(worktracker, *find, said=[0, 1], seed=seed).pointer(0)


def test_strings() -> None:
    assert strings(["a", 1, Reference(0)]) == ["a"] and strings("b") == ["b"] and strings(None) == []
