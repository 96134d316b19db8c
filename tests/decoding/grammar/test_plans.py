"""The grammar of a catalogue derives its valid plans and nothing else, and has no dead ends."""

import json
from pathlib import Path
from random import Random

import pytest

from platypus.catalogue.reading import catalogue_from_json, read_catalogue
from platypus.catalogue.tools import Catalogue
from platypus.decoding.grammar.plans import plan_grammar
from platypus.errors import CatalogueError
from platypus.generation.catalogues.random_catalogue import random_catalogue
from platypus.generation.plans.sampler import Sampler
from platypus.plan.notation import Notation, print_plan, read_plan
from platypus.plan.plan import Malformed, Plan, Reference, Step, plan_from_json
from tests.support.random_catalogues import accepts, random_text, random_tools

NOTATIONS: tuple[Notation, ...] = ("json", "calls")
CRM = catalogue_from_json(
    [
        {
            "name": "find_customer",
            "inputSchema": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
            "outputSchema": {
                "type": "object",
                "properties": {
                    "id": {"type": "string", "format": "customer-id"},
                    "orders": {"type": "array", "items": {"type": "string", "format": "order-id"}},
                },
            },
        },
        {
            "name": "cancel",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "orders": {"type": "array", "items": {"type": "string", "format": "order-id"}},
                    "customer": {"type": "string", "format": "customer-id"},
                },
                "required": ["orders"],
            },
            "outputSchema": {"type": "null"},
        },
    ]
)


def lark(catalogue: Catalogue, notation: Notation = "json", *, max_steps: int = 4) -> str:
    return plan_grammar(catalogue, notation, max_steps=max_steps).lark


def plans(catalogue: Catalogue, notation: Notation, rng: Random, count: int) -> list[Plan]:
    """Random plans of the grammar, without those with equal elements, which it cannot exclude."""
    grammar = lark(catalogue, notation)
    valid_plans = []
    for text in (random_text(grammar, rng) for _ in range(count)):
        plan = None if text is None else read_plan(text, notation, catalogue)
        if isinstance(plan, Malformed):
            assert any(word in plan.reason for word in ("non-unique", "twice")), (plan.reason, text)
        elif plan is not None:
            assert print_plan(plan.ordered(catalogue), notation).count(" ") <= text.count(" ")
            valid_plans.append(plan)
    return valid_plans


@pytest.mark.parametrize("notation", NOTATIONS)
@pytest.mark.parametrize("seed", range(12))
def test_random_texts_of_the_grammar_are_valid_plans(notation: Notation, seed: int) -> None:
    rng = Random(seed)
    catalogue = random_tools(rng, rng.randint(1, 12)) if seed % 3 else random_catalogue(rng, tools=rng.randint(2, 30))
    assert len(plans(catalogue, notation, rng, 12)) > 3


@pytest.mark.parametrize("notation", NOTATIONS)
def test_references_occur(notation: Notation) -> None:
    references = [
        reference for plan in plans(CRM, notation, Random(5), 150) for step in plan for reference in step.references()
    ]
    assert {reference.path for reference in references} >= {("orders",)}


@pytest.mark.parametrize("notation", NOTATIONS)
def test_every_generated_plan_is_derived(notation: Notation) -> None:
    rng = Random(3)
    for _ in range(6):
        catalogue = random_catalogue(rng, tools=rng.randint(3, 15))
        grammar, sampler = lark(catalogue, notation, max_steps=6), Sampler(catalogue)
        for _ in range(8):
            plan = sampler.plan(rng)
            if len(plan) <= 6:
                assert accepts(grammar, print_plan(plan.ordered(catalogue), notation)), str(plan)


@pytest.mark.parametrize("notation", NOTATIONS)
def test_every_valid_row_of_real_data_is_derived(notation: Notation, shared_data: Path) -> None:
    catalogue = read_catalogue(shared_data / "seed" / "catalogue.json")
    grammar = lark(catalogue, notation, max_steps=8)
    rows = [json.loads(line) for name in ("train", "test") for line in (shared_data / "seed" / f"{name}.jsonl").open()]
    read = [plan_from_json(row["plan"], catalogue) for row in rows]
    valid = [plan for plan in read if isinstance(plan, Plan)]
    assert len(valid) > 700
    for plan in valid[::5]:
        assert accepts(grammar, print_plan(plan.ordered(catalogue), notation)), str(plan)


@pytest.mark.parametrize("notation", NOTATIONS)
def test_every_valid_row_with_catalogues_of_its_own_is_derived(notation: Notation, shared_data: Path) -> None:
    lines = [line for file in sorted((shared_data / "nested").glob("*_[0-9d]*.jsonl")) for line in file.open()]
    checked = 0
    for row in map(json.loads, lines[::10]):
        catalogue = catalogue_from_json(row["tools"])
        plan = plan_from_json(row["plan"], catalogue)
        if isinstance(plan, Plan):
            checked += 1
            assert accepts(lark(catalogue, notation, max_steps=8), print_plan(plan.ordered(catalogue), notation))
    assert checked > 80


FIND = Step("find_customer", {"name": "Acme"})
GOOD = (
    Plan(),
    Plan((FIND,)),
    Plan((Step("cancel", {"orders": []}),)),
    Plan((FIND, Step("cancel", {"orders": Reference(0, ("orders",)), "customer": Reference(0, ("id",))}))),
    Plan((FIND, Step("cancel", {"orders": ["o-1", Reference(0, ("orders", "2"))]}))),
    Plan((Step("cancel", {"orders": ["a"]}), FIND, FIND, Step("cancel", {"orders": Reference(2, ("orders",))}))),
)
BAD = (
    Plan((Step("cancel", {}),)),
    Plan((Step("cancel", {"customer": "c", "orders": []}),)),  # not in catalogue order
    Plan((Step("buy", {}),)),
    Plan((FIND, Step("cancel", {"orders": Reference(0)}))),
    Plan((FIND, Step("cancel", {"orders": Reference(0, ("id",))}))),
    Plan((FIND, Step("cancel", {"orders": [Reference(0, ("orders",))]}))),
    Plan((Step("cancel", {"orders": []}), Step("cancel", {"orders": Reference(0)}))),
    Plan((FIND,) * 5),
)


@pytest.mark.parametrize("notation", NOTATIONS)
def test_good_and_bad_plans_by_hand(notation: Notation) -> None:
    grammar = lark(CRM, notation)
    assert [plan for plan in GOOD if not accepts(grammar, print_plan(plan, notation))] == []
    assert [plan for plan in BAD if accepts(grammar, print_plan(plan, notation))] == []


def test_forward_references_are_not_derived() -> None:
    text = (
        '[{"tool_name": "cancel", "arguments": [{"argument_name": "orders", "argument_value": "$$PREV[%d].orders"}]}]'
    )
    assert not accepts(lark(CRM), text % 0) and not accepts(lark(CRM), text % 1)


def test_a_tool_whose_required_argument_can_have_no_value_is_left_out() -> None:
    what = {"type": "object", "properties": {"what": {"type": "string", "enum": []}}, "required": ["what"]}
    undo = {"name": "undo", "inputSchema": what, "outputSchema": {"type": "null"}}
    assert "undo" not in lark(catalogue_from_json([*CRM.to_json(), undo]))
    with pytest.raises(CatalogueError, match=r"no tool can be called.* \(tool 'undo', argument 'what'\)"):
        lark(catalogue_from_json([undo]))


@pytest.mark.parametrize("notation", NOTATIONS)
def test_a_tool_that_needs_a_reference_comes_after_a_step_that_fits(notation: Notation) -> None:
    """`undo` takes only what `find` returns; as a first step it would be a dead end."""
    what = {"type": "object", "properties": {"what": {"type": "string", "enum": []}}, "required": ["what"]}
    catalogue = catalogue_from_json(
        [{"name": "undo", "inputSchema": what, "outputSchema": {"type": "null"}}, {"name": "find"}]
    )
    grammar = lark(catalogue, notation)
    undo = Step("undo", {"what": Reference(0)})
    assert accepts(grammar, print_plan(Plan((Step("find"), undo)), notation))
    random_plans = plans(catalogue, notation, Random(0), 40)
    assert all(plan.steps[0].tool == "find" for plan in random_plans if plan.steps)
    assert any(step.tool == "undo" for plan in random_plans for step in plan)


def test_too_many_kinds_of_output_are_refused_with_the_numbers() -> None:
    kinds = [{"type": "string", "format": f"kind-{i}"} for i in range(20)]
    tools = [
        {"name": f"t{i}", "inputSchema": {"type": "object", "properties": {"a": kind}}, "outputSchema": kind}
        for i, kind in enumerate(kinds)
    ]
    catalogue = catalogue_from_json(tools)
    assert plan_grammar(catalogue, "json", max_steps=12).bits == 5
    with pytest.raises(CatalogueError, match=r"13 steps over 20 kinds of output need 65 bits.*64\n.*to 12 or less"):
        plan_grammar(catalogue, "json", max_steps=13)


def test_a_grammar_that_takes_too_long_is_refused() -> None:
    with pytest.raises(CatalogueError, match=r"takes too long to write\n.*max_tools"):
        plan_grammar(CRM, "json", max_steps=3, seconds=-1)


def test_outputs_that_fit_the_same_arguments_are_one_class() -> None:
    tools = [{"name": f"t{i}", "outputSchema": {"type": "string", "format": f"kind-{i}"}} for i in range(300)]
    taking = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string", "format": "kind-7"}}}
    grammar = plan_grammar(catalogue_from_json([*tools, {"name": "take", "inputSchema": taking}]), "calls", max_steps=8)
    assert (grammar.classes, grammar.bits) == (3, 2)
