"""Noun phrases express each argument once and are unambiguous."""

from random import Random
from typing import Any

import pytest

from platypus.catalogue.reading import catalogue_from_json, read_catalogue
from platypus.catalogue.tools import Catalogue
from platypus.generation.requests.noun_phrases import Nouns
from platypus.generation.requests.phrasing import Phraser
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


def said_of(name: str, description: str, step: Step, argument: str, /, **schemas: dict[str, Any]) -> set[str]:
    """What is said of one argument of a step, behind the noun."""
    inputs = {"type": "object", "properties": schemas}
    made = catalogue_from_json([{"name": name, "description": description, "inputSchema": inputs}])
    return {nouns(made, step, seed=seed).modifier(0, argument) for seed in range(60)}


def test_several_values_have_a_noun_in_the_plural() -> None:
    files = {"type": "array", "items": {"type": "string"}}
    step = Step("send_mail", {"attachments": ["a.txt", "b.txt"]})
    said = said_of("send_mail", "Sends a mail", step, "attachments", attachments=files)
    assert "with the attachments 'a.txt' and 'b.txt'" in said and "with 'a.txt' and 'b.txt' as the attachments" in said
    assert not any("attachment " in text or " or " in text for text in said)  # nobody sends the one or the other
    shown = {"type": "array", "items": {"enum": ["a", "b", "c"]}}
    read = Step("read_page", {"fields": ["a", "b"]})
    assert said_of("read_page", "Reads a page", read, "fields", fields=shown) <= {
        f"with the fields {one}{both}{two}"
        for both in (" and ", " or ")
        for one, two in (("a", "b"), ("'a'", "'b'"), ("A", "B"))
    }


def test_what_a_step_made_needs_no_second_noun() -> None:
    text = {"type": "string"}
    make = {
        "name": "create_pull_request",
        "description": "Create a pull request",
        "outputSchema": {"type": "object", "properties": {"number": text}},
        "inputSchema": {"type": "object"},
    }
    ids = {"pull_number": text, "parent_pull": text}
    merge = {"name": "merge", "description": "Merges", "inputSchema": {"type": "object", "properties": ids}}
    catalogue = catalogue_from_json([make, merge])
    steps = Step("create_pull_request"), Step("merge", {name: Reference(0) for name in ids})
    made = nouns(catalogue, *steps, seed=0)
    assert made.referring(1, "pull_number", [Reference(0)]) == ("for {}", "using {}")
    assert made.referring(1, "parent_pull", [Reference(0)]) == ("using {} as the parent pull",)


def test_the_noun_stays_where_it_alone_tells_the_tool() -> None:
    tools = [
        {
            "name": f"read_{kind}_file",
            "description": f"Read a {kind} file",
            "inputSchema": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
        }
        for kind in ("text", "media")
    ]
    phraser = Phraser(catalogue_from_json(tools), context=0)
    plan = Plan((Step("read_media_file", {"path": "/home/nils/documents/reports/a.png"}),))
    made = [request for seed in range(80) if (request := phraser.request(Random(seed), plan))]
    assert made and all("media file" in request.lower() for request in made)


def test_an_owner_is_said_with_its_thing_and_a_deed_has_no_relative_clauses() -> None:
    kinds = {"type": "object", "properties": {"owner": {}, "repo": {}, "mode": {"enum": ["a", "b"]}}}
    made = catalogue_from_json([{"name": "pull_code", "description": "Pulls the code", "inputSchema": kinds}])
    step = Step("pull_code", {"owner": "acme", "repo": "website", "mode": "a"})
    for seed in range(30):
        nouns = Nouns(Random(seed), Plan((step,)), [ToolPhrases(made.tools[0])], STYLE, frozenset())
        said = [nouns.modifier(0, name) for name in nouns.unsaid(0, Form("code"))]
        assert "acme/website" in said[0] and len(said) == 2 and not said[1].startswith(("that ", "whose "))
