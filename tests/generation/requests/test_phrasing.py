"""Requests: they contain every literal, have one reading, and many wordings."""

import re
from random import Random

import pytest

from platypus.catalogue.reading import catalogue_from_json, read_catalogue
from platypus.catalogue.tools import Catalogue
from platypus.data.signatures import plan_literals
from platypus.generation.catalogues.random_catalogue import random_catalogue
from platypus.generation.plans.sampler import Sampler
from platypus.generation.requests.phrasing import Phraser, literals_said, reordered
from platypus.plan.equality import same
from platypus.plan.plan import Plan, Reference, Step
from tests.support.command import ROOT


@pytest.fixture(scope="module")
def worktracker() -> Catalogue:
    return read_catalogue(ROOT / "examples" / "worktracker" / "catalogue.json")


def requests(catalogue: Catalogue, plan: Plan, count: int = 60) -> set[str]:
    phraser = Phraser(catalogue, context=0)
    return {request for seed in range(count) if (request := phraser.request(Random(seed), plan))}


SUMMARY = Plan((Step("works_list", {"owned_by": ["DEVU-7"]}), Step("summarize_objects", {"objects": Reference(0)})))


def test_requests_contain_every_literal_and_no_unfilled_slot() -> None:
    for seed in range(40):
        rng = Random(seed)
        catalogue = random_catalogue(rng, tools=rng.randint(3, 16))
        sampler, phraser = Sampler(catalogue), Phraser(catalogue, typos=0.2)
        for _ in range(10):
            phrased = phraser.phrase(rng, sampler.mixed(rng))
            if phrased is not None:
                assert literals_said(phrased.plan, phrased.request), (phrased.request, str(phrased.plan))
                assert not re.search(r"[{}]|\$", phrased.request), phrased.request


def test_literals_said() -> None:
    plan = Plan((Step("a", {"x": ["P-1", 7], "flag": True}),))
    assert plan_literals(plan) == ["P-1", "7"]
    assert literals_said(plan, "do p-1 and 7")
    assert not literals_said(plan, "do P-1")
    assert not literals_said(plan, "do P-1 and 17")  # 7 is not a separate word
    kinds = Plan((Step("a", {"type": ["issue", "policy"]}),))
    assert literals_said(kinds, "List the issues and policies")
    assert not literals_said(kinds, "List the isssues and policies")


def test_one_plan_has_many_wordings(worktracker: Catalogue) -> None:
    made = requests(worktracker, SUMMARY, 200)
    assert len(made) > 150
    joined = " ".join(made).lower()
    assert "then" in joined and "them" in joined  # one clause after another
    assert re.search(r"summar\w+ (of )?(all )?(the )?work items owned by", joined)  # one nested in the other
    assert re.search(
        r"after (listing|finding|getting|retrieving)", joined
    )  # the first step is mentioned last, or before the goal
    assert "assigned to" in joined and "'DEVU-7'" in " ".join(made)


def test_a_list_is_requested_by_commands_questions_and_nouns(worktracker: Catalogue) -> None:
    plan = Plan((Step("works_list", {"ticket.severity": ["high"], "type": ["ticket"]}),))
    made = [request.lower() for request in requests(worktracker, plan, 400)]
    assert any(request.startswith(("which tickets", "are there any", "what are the")) for request in made)
    assert any(
        re.fullmatch(r"(all )?tickets with .*|(all )?high.severity tickets\W?", request) for request in made
    )  # terse
    assert any(request.startswith(("can you", "could you")) and request.endswith("?") for request in made)
    assert any(request.startswith("list ") for request in made)


def test_the_current_user_is_called_me_and_my(worktracker: Catalogue) -> None:
    plan = Plan((Step("who_am_i"), Step("works_list", {"owned_by": [Reference(0)]})))
    made = " ".join(requests(worktracker, plan, 200)).lower()
    assert "owned by me" in made and "that i own" in made
    assert "my work items" in made
    assert "the current user" in made


def test_a_person_is_looked_up_by_name(worktracker: Catalogue) -> None:
    """The name alone in place of an id, and never "whose part is it"."""
    plan = Plan((Step("search_object_by_name", {"query": "Mia"}), Step("works_list", {"owned_by": [Reference(0)]})))
    made = " ".join(requests(worktracker, plan, 200))
    assert re.search(r"owned by '?Mia", made) and "the user named" in made and "search for" in made.lower()
    part = Plan(
        (Step("search_object_by_name", {"query": "Nova"}), Step("works_list", {"applies_to_part": [Reference(0)]}))
    )
    for request in requests(worktracker, part, 200):
        assert not re.search(r"whose [\w ]+ is (it|that|the result)", request)


def test_two_earlier_lookups_are_not_confused(worktracker: Catalogue) -> None:
    """The words "the result" could mean either; such a draw is discarded."""
    lookup = [Step("search_object_by_name", {"query": name}) for name in ("Nova", "Orbit")]
    plan = Plan((*lookup, Step("works_list", {"applies_to_part": [Reference(0), Reference(1)]})))
    for request in requests(worktracker, plan, 100):
        assert not re.search(r"\b(it|result|that|this) and\b", request)


def test_the_sorted_and_the_original_list_are_distinguished(worktracker: Catalogue) -> None:
    """Both are work items: a summary is of the last result, unless the request says "the original"."""
    listed = (Step("works_list", {"type": ["task"]}), Step("prioritize_objects", {"objects": Reference(0)}))
    first = requests(worktracker, Plan((*listed, Step("summarize_objects", {"objects": Reference(0)}))), 150)
    last = requests(worktracker, Plan((*listed, Step("summarize_objects", {"objects": Reference(1)}))), 150)
    assert not {request.lower() for request in first} & {request.lower() for request in last}
    ends = [
        request for request in first if re.search(r"(prioriti[sz]|sort|rank).*(summar|sum |recap)", request.lower())
    ]
    assert ends and all(re.search(r"original|from before", request) for request in ends)


def test_independent_steps_are_in_the_order_of_mention(worktracker: Catalogue) -> None:
    plan = Plan((Step("works_list", {"limit": 4}), Step("get_similar_work_items", {"work_id": "ISS-9"})))
    phraser, orders = Phraser(worktracker), set()
    for seed in range(60):
        phrased = phraser.phrase(Random(seed), plan)
        assert phrased is not None and same(phrased.plan, plan, worktracker)
        first = "4" in phrased.request.partition("ISS-9")[0]
        assert (phrased.plan.steps[0].tool == "works_list") == first
        orders.add(first)
    assert orders == {True, False}


def test_reordered_keeps_dependencies_first() -> None:
    plan = Plan((Step("a"), Step("b"), Step("c", {"x": Reference(1), "y": [Reference(0)]})))
    assert reordered(plan, [2, 1, 0]) == Plan(
        (Step("b"), Step("a"), Step("c", {"x": Reference(0), "y": [Reference(1)]}))
    )


def test_the_empty_plan_cannot_be_phrased(worktracker: Catalogue) -> None:
    with pytest.raises(IndexError):
        Phraser(worktracker).request(Random(0), Plan())


def test_a_command_is_said_as_one_text() -> None:
    words = {"type": "array", "items": {"type": "string"}}
    inputs = {"type": "object", "properties": {"command": words}, "required": ["command"]}
    catalogue = catalogue_from_json([{"name": "execute", "description": "Execute a command", "inputSchema": inputs}])
    said = requests(catalogue, Plan((Step("execute", {"command": ["npm", "run", "build"]}),)))
    assert said and all("npm run build" in request for request in said)


def test_calls_that_differ_in_one_value_are_phrased_as_one() -> None:
    ids = {f"{noun}_id": {"type": "string", "format": f"{noun}-id"} for noun in ("book", "user")}
    inputs = {"type": "object", "properties": ids, "required": [*ids]}
    lend = {"name": "lend_book", "description": "Lends a book", "inputSchema": inputs}
    me = {"name": "current_user", "description": "Returns the current user", "outputSchema": ids["user_id"]}
    catalogue = catalogue_from_json([lend, me])
    calls = [Step("lend_book", {"book_id": f"B-{i}", "user_id": Reference(0)}) for i in (3, 4)]
    plan = Plan((Step("current_user", {}), *calls))
    said = requests(catalogue, plan)
    assert said and all(len(re.findall(r"\blend", request.lower())) == 1 for request in said)
    assert all(re.search(r"B-3\W+and \W?B-4", request) for request in said)
    assert plan.problems(catalogue) == ()
    two = Plan(tuple(Step("lend_book", {"book_id": f"B-{i}", "user_id": f"U-{i}"}) for i in (3, 4)))
    assert all(len(re.findall(r"\blend", request.lower())) == 2 for request in requests(catalogue, two))


def test_one_value_is_for_the_tool_of_one_and_several_for_that_of_a_list() -> None:
    path = {"type": "string"}
    catalogue = catalogue_from_json(
        [
            {
                "name": name,
                "description": description,
                "inputSchema": {"type": "object", "properties": properties, "required": [*properties]},
            }
            for name, description, properties in (
                ("read_file", "Read a file", {"path": path}),
                ("read_multiple_files", "Read multiple files", {"paths": {"type": "array", "items": path}}),
            )
        ]
    )
    one, two = (
        Plan(tuple(Step("read_file", {"path": path}) for path in paths)) for paths in (["a.md"], ["a.md", "b.md"])
    )
    assert requests(catalogue, one)
    assert not requests(catalogue, Plan((Step("read_multiple_files", {"paths": ["a.md"]}),)))
    both = requests(catalogue, Plan((Step("read_multiple_files", {"paths": ["a.md", "b.md"]}),)))
    assert any("read files" in request.lower() for request in both)
    assert requests(catalogue, two) and not both & requests(catalogue, two)
