"""Arguments beside a noun: in the catalogue's own words, and never ambiguous."""

from typing import Any

import pytest

from platypus.catalogue.reading import catalogue_from_json, read_catalogue
from platypus.catalogue.tools import Argument, Tool
from platypus.generation.requests.argument_phrases import argument_phrases, label
from tests.support.command import ROOT


@pytest.fixture(scope="module")
def works() -> Tool:
    tool = read_catalogue(ROOT / "examples" / "worktracker" / "catalogue.json").tool("works_list")
    assert tool is not None
    return tool


def made(required: tuple[str, ...] = (), name: str = "do", /, **arguments: dict[str, Any]) -> Tool:
    inputs = {"type": "object", "properties": arguments, "required": list(required)}
    return catalogue_from_json([{"name": name, "inputSchema": inputs}]).tools[0]


def after(tool: Tool, name: str, *, type_known: bool = False) -> tuple[str, ...]:
    return argument_phrases(tool, argument(tool, name), type_known=type_known).after


def argument(tool: Tool, name: str) -> Argument:
    found = tool.argument(name)
    assert found is not None
    return found


def test_phrases_from_the_catalogue_s_own_prose(works: Tool) -> None:
    assert {"owned by {}", "assigned to {}"} <= set(after(works, "owned_by"))
    assert {"with {} severity", "with severity {}", "whose severity is {}"} <= set(after(works, "ticket.severity"))
    assert "in the {} stage" in after(works, "stage.name")
    assert "related to part {}" in after(works, "applies_to_part")
    assert "limited to {}" in after(works, "limit")


def test_similar_arguments_are_distinguished_by_their_type(works: Tool) -> None:
    """Except where the request has the type already: "tickets of REV-3"."""
    assert all("ticket" in form for form in after(works, "ticket.rev_org"))
    assert "associated with customer organisation {}" in after(works, "ticket.rev_org", type_known=True)
    assert label(works, argument(works, "issue.rev_orgs")) == "issue rev org"
    assert label(works, argument(works, "ticket.severity")) == "severity"


def test_phrases_before_the_noun(works: Tool) -> None:
    assert "{}" in argument_phrases(works, argument(works, "issue.priority")).before  # p1 tickets
    assert "{}" not in argument_phrases(works, argument(works, "ticket.severity")).before  # never "high tickets"
    assert argument_phrases(works, argument(works, "type")).heads
    assert argument_phrases(works, argument(works, "limit")).counts


def test_phrases_for_earlier_results_never_use_whose(works: Tool) -> None:
    assert argument_phrases(works, argument(works, "applies_to_part")).referring == (
        "related to {}",
        "for {}",
        "associated with {}",
    )
    assert not any("whose" in form for a in works.arguments for form in argument_phrases(works, a).referring)


def test_prepositions_only_where_one_argument_can_be_meant() -> None:
    text = {"type": "string"}
    assert "in {}" in after(made(city=text), "city")
    assert "in {}" not in after(made(city=text, country=text), "city")
    assert after(made(("from_account", "to_account"), from_account=text, to_account=text), "to_account")[0] == "to {}"
    assert "in {}" in after(made(language=text), "language")
    assert "in {}" in after(made(year={"type": "integer"}), "year")
    assert "starting on {}" in after(made(start_date=text), "start_date")
    days = {"type": "integer", "description": "How long, in days"}
    assert "for {} days" in after(made(duration=days), "duration")


def test_the_two_ends_of_a_way() -> None:
    text = {"type": "string"}
    drag = made(("start_target", "end_target"), start_target=text, end_target=text)
    assert (after(drag, "start_target"), after(drag, "end_target")) == (("from {}",), ("to {}",))


def test_a_change_is_made_with_an_attribute_and_not_for_it() -> None:
    text = {"type": "string"}
    update = made((), "update_event", color_id=text, loan_id=text)
    assert all(form.startswith("with ") for form in after(update, "color_id"))
    assert after(update, "loan_id") == ("for loan {}",)


def test_a_name_that_ends_in_a_verb_names_no_thing() -> None:
    text = {"type": "string"}
    assert after(made(calendars_to_check=text), "calendars_to_check") == ("(calendars to check: {})",)
    assert "for route {}" in after(made(applies_to_route=text), "applies_to_route")
