"""Signatures of rows: templates mask values, skeletons drop them, requests are compared without case."""

from typing import Any

import pytest

from platypus.data.dataset import Example, Instruction
from platypus.data.signatures import normalised, one_line_request, plan_skeleton, request_template
from platypus.plan.plan import Plan, Reference, Step


def works(**filters: Any) -> Plan:
    return Plan((Step("works_list", filters),))


@pytest.mark.parametrize(
    ("query", "plan", "expected"),
    [
        ("Tasks in Code Review, please!", works(**{"stage.name": ["code review"]}, type=["task"]), "@ in @ please"),
        ('Summarize "ISS-14" and TKT-3.', Plan(), "summarize @"),
        ("Summarize ISS-14, ISS-15, and 'TKT-3'", Plan(), "summarize @"),
        ("Find “the old one” in '7 days'", Plan(), "find @ in @"),
        ("At most 7 of my tickets", works(limit=7), "at most @ of my tickets"),
        ("Delete the sign-up page of B-2b", Plan(), "delete the sign up page of @"),
        ("What's the customer's plan?", Plan(), "what s the customer s plan"),
        ("Art for the art show", Plan((Step("search_object_by_name", {"query": "art"}),)), "@ for the @ show"),
        ("An artful start", Plan((Step("search_object_by_name", {"query": "art"}),)), "an artful start"),
        ("Sum them up", Plan((Step("get_sprint_id"), Step("x", {"a": Reference(0), "b": True}))), "sum them up"),
        ("Options a.b* or c", Plan((Step("x", {"a": {"k": ["a.b*"]}, "b": ""}),)), "options @ or c"),
    ],
)
def test_template_masks_the_values(query: str, plan: Plan, expected: str) -> None:
    assert request_template(Example(query, plan, "", {})) == expected


def test_the_template_of_an_alpaca_row_includes_its_input() -> None:
    assert request_template(Instruction("Add up.", "3 and 4", "7", {})) == "add up @"


@pytest.mark.parametrize(
    ("query", "literals", "expected"),
    [
        ("art, arts, artful, smart and art's", ["art"], "@ artful smart and @ s"),
        ("sprint 12 and sprint 1", ["sprint 1", "sprint 12"], "@"),
        ("who is on it", ["on"], "who is @ it"),
        ("a+b? a+b!", ["a+b"], "@"),
    ],
)
def test_a_literal_is_masked_only_where_it_is_not_part_of_a_longer_word(
    query: str, literals: list[str], expected: str
) -> None:
    assert request_template(Example(query, works(names=literals), "", {})) == expected


def test_a_skeleton_shows_which_step_uses_which_output() -> None:
    find = Step("search", {"customer": "Globex"})
    use = Step("summarize", {"style": "short", "objects": [Reference(0, ("hits", "0")), "x", Reference(0)]})
    assert plan_skeleton(Plan((find, use))) == "search(customer) summarize(objects=0.hits.0+0,style)"
    assert (
        plan_skeleton(Plan((find, Step("summarize", {"objects": Reference(0)}))))
        == "search(customer) summarize(objects=0)"
    )
    assert plan_skeleton(Plan()) == "[]"


def test_requests_are_the_same_up_to_case_form_and_full_stop() -> None:
    assert (
        normalised("List My\u3000tasks.".replace("\u3000", "\u00a0"))
        == normalised("list my tasks !")
        == "list my tasks"
    )
    assert normalised("List my tasks?") != normalised("List my tasks")
    assert one_line_request(Instruction("Add\n up.", " 3 ", "", {})) == "Add up. 3"
