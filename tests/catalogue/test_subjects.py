"""What a tool makes, finds or destroys, and which arguments take its id."""

from typing import Any

import pytest

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.subjects import identified, is_destructive, is_look_up, makes, subject, supplies, takes_a_place
from platypus.catalogue.tools import Tool


def tool(name: str, *arguments: str, description: str = "", **more: Any) -> Tool:
    inputs = {"type": "object", "properties": {key: {"type": "string"} for key in arguments}, "required": [*arguments]}
    definition = {"name": name, "description": description, "inputSchema": inputs, **more}
    return catalogue_from_json([definition]).tools[0]


@pytest.mark.parametrize(
    "name, description, thing",
    [
        ("create_issue", "", "issue"),
        ("jira_create_issue_link", "", "issue link"),
        ("epics-create", "", "epics"),
        ("posts-create", "", "posts"),
        ("get_order_by_number", "", "order"),
        ("getUserDetails", "", "user"),
        ("merge_pr", "", "pull request"),
        ("whoami", "Return the current user", "user"),
        ("reindex", "Builds the index anew", ""),
    ],
)
def test_the_subject_is_told_by_the_name_or_the_description(name: str, description: str, thing: str) -> None:
    assert " ".join(subject(tool(name, description=description))) == thing


@pytest.mark.parametrize(
    "argument, thing",
    [
        ("issue_number", "issue"),
        ("parentTaskId", "parent task"),
        ("add_label_ids", "label"),
        ("listId", "list"),
        ("pull_number", "pull request"),
    ],
)
def test_an_argument_identifies_a_thing(argument: str, thing: str) -> None:
    consumer = tool("change_note", argument)
    assert " ".join(identified(consumer.arguments[0], consumer)) == thing


def test_a_bare_id_is_that_of_what_the_tool_is_about_and_other_arguments_take_none() -> None:
    consumer = tool("rename_board", "id", "title", "remove_label_ids")
    assert [identified(argument, consumer) for argument in consumer.arguments] == [("board",), (), ()]


@pytest.mark.parametrize(
    "producer, consumer, argument, credible",
    [
        ("create_issue", "add_issue_comment", "issue_number", True),
        ("open_ticket", "assign_ticket", "ticket_id", True),
        ("find_customer", "send_invoice", "customer_id", True),
        ("start_export", "get_export_status", "export_id", True),  # it runs: its state is asked for
        ("list_issues", "add_issue_comment", "issue_number", False),  # several
        ("create_page_template", "move_page", "page_id", False),  # another thing
        ("create_issue", "get_issue", "issue_number", False),  # what was just made is not looked up
        ("create_issue", "delete_issue", "issue_number", False),  # nor destroyed
        ("update_issue", "add_issue_comment", "issue_number", False),  # neither makes nor finds
        ("create_issue", "add_issue_comment", "body", False),  # takes no id
    ],
)
def test_who_makes_or_finds_one_thing_supplies_its_id(
    producer: str, consumer: str, argument: str, credible: bool
) -> None:
    user = tool(consumer, argument)
    assert supplies(tool(producer), {}, user, user.arguments[0]) is credible


def test_a_tool_that_takes_the_id_itself_does_not_supply_it() -> None:
    user = tool("close_issue", "issue_number")
    assert not supplies(tool("get_issue", "issue_number"), {}, user, user.arguments[0])


def test_a_tool_that_the_arguments_prose_names_supplies_it() -> None:
    schema = {"properties": {"confirm_quote_id": {"type": "string", "description": "The id from `price_trip`."}}}
    user = tool("book_trip", inputSchema={"type": "object", **schema})
    assert supplies(tool("price_trip", description="Get the price"), {}, user, user.arguments[0])


def test_what_exists_is_not_made_again() -> None:
    maker = tool("create_entities", "entities", "owner_id")
    assert [makes(maker, argument) for argument in maker.arguments] == [True, False]


@pytest.mark.parametrize(
    "name, annotations, destroys, reads",
    [
        ("delete_page", {}, True, False),
        ("get_page", {}, False, True),
        ("tidy", {"destructiveHint": True}, True, False),
        ("remove_filter", {"readOnlyHint": True, "destructiveHint": True}, False, True),
        ("drop_in", {"destructiveHint": False}, False, False),
        ("list_drop_zones", {}, False, True),
        ("archive", {"readOnlyHint": False}, False, False),
    ],
)
def test_hints_come_before_verbs(name: str, annotations: dict[str, bool], destroys: bool, reads: bool) -> None:
    made = tool(name, annotations=annotations)
    assert (is_destructive(made), is_look_up(made)) == (destroys, reads)


def test_places() -> None:
    made = tool("create_issue", "owner", "repo", "title")
    assert [takes_a_place(argument, made) for argument in made.arguments] == [True, True, False]
