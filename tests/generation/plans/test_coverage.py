"""Coverage: what is counted, what plans are drawn for, and the report on the rest."""

from random import Random

import pytest

from platypus.catalogue.reading import catalogue_from_json, read_catalogue
from platypus.catalogue.tools import Catalogue
from platypus.generation.plans.coverage import KINDS, Ledger, as_markdown, covered_by, joined, targets
from platypus.generation.plans.sampler import Sampler
from platypus.plan.plan import Plan, Reference, Step
from tests.support.command import ROOT


@pytest.fixture(scope="module")
def worktracker() -> Catalogue:
    return read_catalogue(ROOT / "examples" / "worktracker" / "catalogue.json")


def test_what_a_plan_covers() -> None:
    plan = Plan((Step("who_am_i"), Step("works_list", {"owned_by": [Reference(0)], "type": ["task"], "limit": 3})))
    assert set(covered_by(plan)) == {
        ("lengths", "2"),
        ("shapes", "chain"),
        ("tools", "who_am_i"),
        ("tools", "works_list"),
        ("arguments", "works_list.owned_by"),
        ("arguments", "works_list.type"),
        ("arguments", "works_list.limit"),
        ("references", "who_am_i → works_list.owned_by[]"),
        ("values", "works_list.type = task"),
        ("values", "works_list.limit = 3"),
    }


def test_every_kind_of_thing_is_a_target(worktracker: Catalogue) -> None:
    found = list(targets(Sampler(worktracker)))
    assert {target.kind for target in found} == set(KINDS)
    names = {target.name for target in found}
    assert {"get_sprint_id", "works_list.limit", "works_list.type = task", "fan-out", "5"} <= names
    assert "get_sprint_id → add_work_items_to_sprint.sprint_id" in names


def test_a_ledger_draws_until_all_is_covered(worktracker: Catalogue) -> None:
    ledger, rng = Ledger(Sampler(worktracker), least=2), Random(0)
    drawn = 0
    while ledger.missing:
        plan = ledger.draw(rng, remaining=1000)
        assert plan is not None and plan.problems(worktracker) == ()
        ledger.count(plan)
        drawn += 1
    assert drawn < 200
    assert all(part["least"] >= 2 and not part["uncovered"] for part in ledger.report().values())


def test_what_cannot_be_covered_is_reported_with_a_reason() -> None:
    thing = {"type": "object", "properties": {"x": {"type": "object"}}, "required": ["x"]}
    optional = {"type": "object", "properties": {"how": {"type": "object"}}}
    catalogue = catalogue_from_json([{"name": "lost", "inputSchema": thing}, {"name": "ping", "inputSchema": optional}])
    ledger = Ledger(Sampler(catalogue, 2), least=1)
    ledger.give_up(Random(0))
    why = {entry["what"]: entry["why"] for part in ledger.report().values() for entry in part["uncovered"]}
    assert "lost needs an argument that nothing can fill" in why["lost"]
    assert "no value can be made up for how" in why["ping.how"]
    assert "no plan of 2 steps" in why["2"] and "outputs of two others" in why["fan-in"]
    page = as_markdown(ledger.report(), least=1, catalogue=catalogue)
    assert "| tools | 2 | 0 | 0 |" in page and "| `ping.how` | 0 | no value can be made up" in page


def test_with_least_zero_nothing_is_missing(worktracker: Catalogue) -> None:
    ledger = Ledger(Sampler(worktracker), least=0)
    assert ledger.missing == 0 and ledger.draw(Random(0), remaining=1) is None


def test_if_examples_are_too_few_tools_come_first_and_the_rarest_of_them() -> None:
    kinds = {"type": "object", "properties": {"kind": {"enum": list("abcdefgh")}}}
    catalogue = catalogue_from_json([{"name": f"list_{n}", "inputSchema": kinds} for n in ("a", "b", "c", "d", "e")])
    ledger, rng = Ledger(Sampler(catalogue, 4), least=2), Random(0)
    for remaining in range(10, 0, -1):
        plan = ledger.draw(rng, remaining=remaining)
        assert plan is not None
        ledger.count(plan)
    report = ledger.report()
    assert report["tools"]["least"] >= 2 and report["values"]["covered"] < report["values"]["total"]


def test_if_examples_are_too_few_for_the_tools_some_are_for_two() -> None:
    catalogue = catalogue_from_json([{"name": f"start_{n}", "inputSchema": {"type": "object"}} for n in range(12)])
    ledger, rng = Ledger(Sampler(catalogue, 4), least=1), Random(0)
    for remaining in range(9, 0, -1):
        plan = ledger.draw(rng, remaining=remaining)
        assert plan is not None and len(plan) <= 4
        ledger.count(plan)
    assert ledger.report()["tools"]["covered"] == 12


def test_joined_plans_keep_their_references() -> None:
    chain = Plan((Step("find", {"name": "Nova"}), Step("close", {"ids": [Reference(0)]})))
    both = joined(Plan((Step("ping", {}),)), chain, max_steps=3)
    assert both is not None and both.steps[2].arguments == {"ids": [Reference(1)]}
    assert joined(chain, chain, max_steps=5) is None and joined(chain, Plan((Step("ping", {}),)), max_steps=2) is None


def test_one_example_is_enough_for_what_people_hardly_ever_say() -> None:
    properties = {"topic": {"type": "string"}, "cursor": {"type": "string"}}
    catalogue = catalogue_from_json([{"name": "list_notes", "inputSchema": {"properties": properties}}])
    ledger = Ledger(Sampler(catalogue, 1), least=3)
    ledger.count(Plan((Step("list_notes", {"topic": "tea", "cursor": "abc"}),)))
    few = [entry["what"] for entry in ledger.report()["arguments"]["uncovered"]]
    assert few == ["list_notes.topic"]
