"""Noun phrases express each argument once and are unambiguous."""

from random import Random

import pytest

from platypus.catalogue.reading import catalogue_from_json, read_catalogue
from platypus.catalogue.tools import Catalogue
from platypus.generation.requests.noun_phrases import Nouns
from platypus.generation.requests.slots import Form
from platypus.generation.requests.tool_phrases import ToolPhrases
from platypus.generation.requests.writer_style import WriterStyle
from platypus.plan.plan import Plan, Reference, Step
from tests.support.command import ROOT

STYLE = WriterStyle(quote="'", polite="", before="", after="", lower=True, stop="", inside=False)


@pytest.fixture(scope="module")
def worktracker() -> Catalogue:
    return read_catalogue(ROOT / "examples" / "worktracker" / "catalogue.json")


def nouns(catalogue: Catalogue, *steps: Step, seed: int, inside: frozenset[int] = frozenset()) -> Nouns:
    wordings = [ToolPhrases(tool) for step in steps if (tool := catalogue.tool(step.tool))]
    return Nouns(Random(seed), Plan(steps), wordings, STYLE, inside)


def things(catalogue: Catalogue, *steps: Step, inside: frozenset[int] = frozenset()) -> set[str]:
    last = len(steps) - 1
    return {nouns(catalogue, *steps, seed=seed, inside=inside).thing(last, ("the ",)) for seed in range(150)}


def test_types_replace_the_noun_and_priorities_precede_it(worktracker: Catalogue) -> None:
    made = things(worktracker, Step("works_list", {"type": ["ticket"], "issue.priority": ["p1"]}))
    assert {"the p1 tickets", "the tickets with priority 'p1'"} <= made
    assert things(worktracker, Step("works_list", {"type": ["ticket", "task"]})) >= {"the tickets and tasks"}


def test_the_same_noun_in_other_words(worktracker: Catalogue) -> None:
    made = things(worktracker, Step("works_list", {"owned_by": ["DEVU-1", "DEVU-2"]}))
    assert {
        "the work items owned by 'DEVU-1' and 'DEVU-2'",
        "the work items assigned to users 'DEVU-1' or 'DEVU-2'",
    } & made
    assert any(" or " in text for text in made) and any(" and " in text for text in made)


def test_limits_and_things_of_the_current_user(worktracker: Catalogue) -> None:
    assert {"the first 5 work items", "up to 5 work items"} <= things(worktracker, Step("works_list", {"limit": 5}))
    mine = Step("works_list", {"owned_by": [Reference(0)]})
    made = things(worktracker, Step("who_am_i"), mine, inside=frozenset({0}))
    assert {"my work items", "the work items that I own", "the work items owned by me"} <= made


def test_a_field_of_a_nested_step() -> None:
    text = {"type": "string"}
    catalogue = catalogue_from_json(
        [
            {
                "name": "getPlant",
                "description": "Retrieve information about a specific power plant",
                "inputSchema": {"type": "object", "properties": {"plant_id": text}, "required": ["plant_id"]},
                "outputSchema": {"type": "object", "properties": {"location": text}},
            },
            {
                "name": "getWeather",
                "description": "Retrieve the weather",
                "inputSchema": {"type": "object", "properties": {"location": text}, "required": ["location"]},
            },
        ]
    )
    steps = Step("getPlant", {"plant_id": "P-4"}), Step("getWeather", {"location": Reference(0, ("location",))})
    made = things(catalogue, *steps, inside=frozenset({0}))
    assert "the weather for the location of the power plant 'P-4'" in made


def test_objects_are_said_by_their_name_with_the_rest_in_brackets() -> None:
    nouns = Nouns(Random(0), Plan(), [], STYLE, frozenset())
    assert nouns.fields({"name": "Nova", "size": 3, "on": True}) == "'Nova' (size: 3, on: yes)"
    assert nouns.fields({"width": 3, "enabled": False}) == "(width: 3, enabled: no)"
    assert nouns.fields({"view": {"width": 3}}) == '{"view": {"width": 3}}'


def test_an_owner_is_said_with_its_thing_and_a_deed_has_no_relative_clauses() -> None:
    kinds = {"type": "object", "properties": {"owner": {}, "repo": {}, "mode": {"enum": ["a", "b"]}}}
    made = catalogue_from_json([{"name": "pull_code", "description": "Pulls the code", "inputSchema": kinds}])
    step = Step("pull_code", {"owner": "acme", "repo": "website", "mode": "a"})
    for seed in range(30):
        nouns = Nouns(Random(seed), Plan((step,)), [ToolPhrases(made.tools[0])], STYLE, frozenset())
        said = [nouns.modifier(0, name) for name in nouns.unsaid(0, Form("code"))]
        assert "acme/website" in said[0] and len(said) == 2 and not said[1].startswith(("that ", "whose "))
