"""Sensible edges are found, and no others."""

from pathlib import Path
from typing import Any

import pytest

from platypus.catalogue.dataflow import producers, takes_ids
from platypus.catalogue.reading import catalogue_from_json, read_catalogue
from platypus.catalogue.tools import Catalogue
from tests.support.command import ROOT


def tool(name: str, output: dict[str, Any] | None = None, /, **arguments: str) -> dict[str, Any]:
    properties = {key: {"type": "string", "description": text} for key, text in arguments.items()}
    inputs = {"type": "object", "properties": properties, "required": list(arguments)}
    definition: dict[str, Any] = {"name": name, "inputSchema": inputs}
    return definition | ({"outputSchema": {"type": "object", "properties": output}} if output else {})


def feeds(*tools: dict[str, Any]) -> set[str]:
    """The edges into the last tool: `make.id → use.thing`."""
    catalogue = catalogue_from_json(list(tools))
    last = catalogue.tools[-1]
    return {
        f"{'.'.join((producer.tool.name, *producer.path))} → {argument.name}"
        for argument in last.arguments
        for producer in producers(catalogue, last, argument)
    }


TEXT = {"type": "string"}


def test_fields_of_the_same_thing() -> None:
    make = tool("createCampaign", {"campaign_id": TEXT, "success": {"type": "boolean"}, "status": TEXT})
    assert feeds(make, tool("getRoi", campaign_id="", status="", success="")) == {
        "createCampaign.campaign_id → campaign_id"
    }


def test_a_bare_id_belongs_to_what_its_tool_is_about() -> None:
    assert feeds(tool("findTicket", {"id": TEXT}), tool("close", ticket_id="", user_id="")) == {
        "findTicket.id → ticket_id"
    }


def test_what_is_so_already_is_not_set() -> None:
    get = tool("get_active_board_info", {"id": TEXT})
    assert feeds(get, tool("set_active_board", board_id="ID of the board")) == set()
    assert feeds(get, tool("share_board", board_id="ID of the board")) == {"get_active_board_info.id → board_id"}


def test_a_text_is_an_input_for_an_argument_that_takes_text() -> None:
    summary = tool("summarize", {"summary": TEXT}, text="")
    assert feeds(summary, tool("translate", text="", language="")) == {"summarize.summary → text"}


@pytest.mark.parametrize("name", ["date", "type", "description", "name"])
def test_a_field_that_matches_only_on_a_generic_word_is_no_input(name: str) -> None:
    assert feeds(tool("getWine", {name: TEXT}), tool("bookRoom", **{name: ""})) == set()


def test_a_plural_is_no_input_for_a_singular() -> None:
    assert feeds(tool("getPolicies", {"policies": TEXT}), tool("update", policy="", policy_number="")) == set()


def test_a_number_is_an_input_only_for_an_argument_of_the_same_full_name() -> None:
    number = {"type": "number"}
    weigh = tool("weigh", {"weight": number, "cargo_weight": number})
    ship = {
        "name": "ship",
        "inputSchema": {"type": "object", "properties": {"weight": number, "cargo_weight": number}, "required": []},
    }
    assert feeds(weigh, ship) == {"weigh.cargo_weight → cargo_weight"}


@pytest.fixture(scope="module")
def worktracker() -> Catalogue:
    return read_catalogue(ROOT / "examples" / "worktracker" / "catalogue.json")


def test_formats_must_be_equal_and_look_ups_find_what_the_argument_names(worktracker: Catalogue) -> None:
    works = worktracker.tool("works_list")
    assert works is not None
    tools_of = {
        argument.name: {p.tool.name for p in producers(worktracker, works, argument)} for argument in works.arguments
    }
    assert tools_of["owned_by"] == {"who_am_i", "search_object_by_name"}
    assert tools_of["ticket.rev_org"] == {"search_object_by_name"}  # an organisation is a customer
    assert tools_of["stage.name"] == tools_of["issue.priority"] == set()


def test_ids_are_recognised_by_examples_format_or_name(worktracker: Catalogue) -> None:
    works = worktracker.tool("works_list")
    assert works is not None
    ids = {argument.name for argument in works.arguments if takes_ids(argument)}
    assert ids == {"applies_to_part", "created_by", "owned_by", "issue.rev_orgs", "ticket.rev_org"}


def test_an_output_that_nobody_described_feeds_only_the_id_of_what_was_made() -> None:
    search = tool("search_text", None, text="")
    search["description"] = "Search the page. Returns matching elements with the key of each."
    press = tool("press", element="The element", key="")
    assert feeds(search, press) == set()
    assert feeds(tool("create_board", None, title=""), tool("add_list", board_id="", title="")) == {
        "create_board → board_id"
    }


@pytest.mark.parametrize("wrapper", ["content", "result"])
def test_a_wrapped_text_is_a_report(wrapper: str) -> None:
    make = tool("make_folder", {wrapper: TEXT}, path="")
    assert feeds(make, tool("save", content="", result="", text="")) == set()
    assert feeds(tool("open_order", {wrapper: TEXT}), tool("pay", order_id="")) == {f"open_order.{wrapper} → order_id"}


def test_formats_of_writing_are_no_domain_types() -> None:
    """Two addresses of the web need not be the same thing."""
    link = {"type": "string", "format": "uri"}
    page = tool("get_page", {"icon_url": link, "day": {"type": "string", "format": "date"}})
    visit = tool("visit", target_url="", since="")
    visit["inputSchema"]["properties"] = {"target_url": link, "since": {"type": "string", "format": "date"}}
    assert feeds(page, visit) == set()


def test_of_a_record_only_ids_are_used() -> None:
    record = {"project_id": TEXT, "color": TEXT, "due_date": TEXT, "estimate": TEXT}
    assert feeds(tool("get_task", record), tool("update_goal", **dict.fromkeys(record, ""))) == {
        "get_task.project_id → project_id"
    }


def test_a_destructive_tool_feeds_nothing() -> None:
    kept, hinted = tool("openCase", {"case_id": TEXT}), tool("openCase", {"case_id": TEXT})
    hinted["annotations"] = {"destructiveHint": True}
    use = tool("assign", case_id="")
    assert feeds(kept, use) == {"openCase.case_id → case_id"}
    assert feeds(hinted, use) == feeds(tool("deleteCase", {"case_id": TEXT}), use) == set()


@pytest.mark.parametrize("case", ["untyped-output-into-anything", "status-text-as-content"])
def test_cases_without_any_edge(shared_data: Path, case: str) -> None:
    catalogue = read_catalogue(shared_data.parent / "cases" / "catalogues" / f"{case}.json")
    assert [p for tool in catalogue for a in tool.arguments for p in producers(catalogue, tool, a)] == []


def test_names_in_another_script_are_compared_whole() -> None:
    assert feeds(tool("find", {"номер": TEXT, "имя": TEXT}), tool("pay", **{"номер": "", "сумма": ""})) == {
        "find.номер → номер"
    }
