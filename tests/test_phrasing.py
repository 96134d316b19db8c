"""Requests: every literal said, the wording taken from the catalogue, nothing left unfilled."""

import re
from pathlib import Path
from random import Random

import pytest

from platypus.catalogue import Catalogue, Tool, catalogue_from_json, read_catalogue
from platypus.phrasing import Phraser, literals_said
from platypus.plan import Plan, Reference, Step
from platypus.sampler import Sampler
from platypus.synthetic import random_catalogue
from platypus.wording import Wording, lemma, modifiers, truth

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def worktracker() -> Catalogue:
    return read_catalogue(ROOT / "examples" / "worktracker" / "catalogue.json")


def requests(catalogue: Catalogue, plan: Plan, count: int = 60) -> set[str]:
    phraser = Phraser(catalogue)
    return {request for seed in range(count) if (request := phraser.request(Random(seed), plan))}


def tool(description: str, name: str = "do", **arguments: str) -> Tool:
    properties = {key: {"type": "string", "description": text} for key, text in arguments.items()}
    inputs = {"type": "object", "properties": properties, "required": list(arguments)}
    return catalogue_from_json([{"name": name, "description": description, "inputSchema": inputs}]).tools[0]


def test_every_literal_is_said_and_no_slot_stays_open() -> None:
    for seed in range(40):
        rng = Random(seed)
        catalogue = random_catalogue(rng, tools=rng.randint(3, 16))
        sampler, phraser = Sampler(catalogue), Phraser(catalogue)
        for _ in range(10):
            plan = sampler.plan(rng)
            request = phraser.request(rng, plan)
            if request is not None:
                assert literals_said(plan, request), (request, str(plan))
                assert not re.search(r"[{}]|\$", request), request


def test_literals_said() -> None:
    plan = Plan((Step("a", {"x": ["P-1", 7], "flag": True}),))
    assert literals_said(plan, "do P-1 and 7")
    assert not literals_said(plan, "do P-1")


def test_one_plan_has_many_wordings(worktracker: Catalogue) -> None:
    plan = Plan((Step("works_list", {"owned_by": ["DEVU-7"]}), Step("summarize_objects", {"objects": Reference(0)})))
    made = requests(worktracker, plan)
    assert len(made) > 40
    joined = " ".join(made).lower()
    assert "then" in joined and "them" in joined  # one clause after another
    assert re.search(r"summar\w+ (of )?(all )?(the )?work items owned by", joined)  # one inside the other


def test_the_current_user_is_me_and_my(worktracker: Catalogue) -> None:
    plan = Plan((Step("who_am_i"), Step("works_list", {"owned_by": [Reference(0)]})))
    made = " ".join(requests(worktracker, plan, 200)).lower()
    assert "owned by me" in made
    assert "my work items" in made
    assert "the current user" in made


def test_two_earlier_steps_of_the_same_name_are_not_confused(worktracker: Catalogue) -> None:
    """ "The part" would be either of them; such a draw is thrown away."""
    lookup = [Step("search_object_by_name", {"query": name}) for name in ("Nova", "Orbit")]
    plan = Plan((*lookup, Step("works_list", {"applies_to_part": [Reference(0)], "ticket.rev_org": [Reference(1)]})))
    for request in requests(worktracker, plan):
        assert request.index("Nova") < len(request) and request.count("that part") <= 1


@pytest.mark.parametrize(
    ("made", "form"),
    [
        (
            tool("Adds the given work items to the sprint", work_ids="", sprint_id=""),
            "add {work_ids|work items} to {sprint_id|sprint}",
        ),
        (tool("Summarizes a list of objects.", objects=""), "summarize {objects|objects}"),
        (tool("Puts work items into a sprint", ids="the work items to put in"), "put {ids|work items} into a sprint"),
        (tool("Given a text, makes tasks", "create_tasks_from_text", text=""), "create tasks from {text|text}"),
        (tool("Returns objects by priority", "prioritize_objects", objects=""), "prioritize {objects|objects}"),
    ],
)
def test_clauses_come_from_the_description_or_the_name(made: Tool, form: str) -> None:
    assert form in [clause.text for clause in Wording(made).clauses]


@pytest.mark.parametrize(
    ("made", "noun"),
    [
        (tool("Returns the ID of the current sprint"), "current sprint"),
        (
            tool("Returns a list of work items that are similar to the given work item", work_id=""),
            "work items similar to {work_id|work item}",
        ),
        (tool("Finds work items matching the request"), "work items"),
        (tool("Finds the open matters of a customer", customer="the customer"), "open matters of {customer|customer}"),
    ],
)
def test_nouns_say_what_is_returned(made: Tool, noun: str) -> None:
    assert Wording(made).is_getter
    assert Wording(made).noun.text == noun


def test_modifiers_use_the_catalogue_s_own_prose(worktracker: Catalogue) -> None:
    works = worktracker.tool("works_list")
    assert works is not None
    arguments = {argument.name: argument for argument in works.arguments}
    assert modifiers(arguments["owned_by"]) == ("owned by {}",)
    assert "with {} severity" in modifiers(arguments["ticket.severity"])
    assert "limited to {}" in modifiers(arguments["limit"])
    assert "that need a response" in truth(arguments["ticket.needs_response"], True)
    assert "that do not need a response" in truth(arguments["ticket.needs_response"], False)


def test_lemmas() -> None:
    verbs = {"Adds": "add", "Searches": "search", "Applies": "apply", "passes": "pass", "Returns": "return"}
    assert {verb: lemma(verb) for verb in verbs} == verbs


def test_the_empty_plan_has_no_wording_of_its_own(worktracker: Catalogue) -> None:
    with pytest.raises(IndexError):
        Phraser(worktracker).request(Random(0), Plan())
