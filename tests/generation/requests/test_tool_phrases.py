"""Phrases for tools: clauses and nouns from their descriptions or names."""

from typing import Any

import pytest

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Tool
from platypus.generation.requests.tool_phrases import ToolPhrases


def tool(description: str, name: str = "do", output: dict[str, Any] | None = None, /, **arguments: str) -> Tool:
    properties = {key: {"type": "string", "description": text} for key, text in arguments.items()}
    inputs = {"type": "object", "properties": properties, "required": list(arguments)}
    made = {"name": name, "description": description, "inputSchema": inputs, "outputSchema": output or {}}
    return catalogue_from_json([made]).tools[0]


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
        (
            tool("Set the autonomy level of a robot", robot_id="", autonomy_level=""),
            "set the autonomy level of {robot_id|robot} to {autonomy_level|one}",
        ),
        (
            tool("", "set_ticket_status", ticket_id="", status=""),
            "set the status of {ticket_id|ticket} to {status|one}",
        ),
        (
            tool("Unsubscribe a subscriber from the email campaign", campaign_id="", subscriber_email=""),
            "unsubscribe {subscriber_email|subscriber} from {campaign_id|email campaign}",
        ),
        (tool("Check if a given space is connected", space=""), "check whether {space|space} is connected"),
        (tool("Add a product to the user's cart", product_id=""), "add {product_id|product} to my cart"),
        (tool("Transfer funds from one account to another", amount=""), "transfer funds"),
        (tool("Summarizes matters in a short text", matters=""), "summarize {matters|matters}"),
        (tool("Creates actionable tasks from a text", text=""), "create tasks from {text|text}"),
        (tool("Checkout a book", "checkoutBook", book_id=""), "check out {book_id|book}"),
        (tool("Generate a citation for a source", "make", source_title=""), "cite {source_title|source}"),
        (tool("Renew a loan of a book in the library", loan_id=""), "renew {loan_id|loan}"),
    ],
)
def test_clauses_come_from_the_description_or_the_name(made: Tool, form: str) -> None:
    assert form in [clause.text for clause in ToolPhrases(made).clauses]


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
        (tool("Retrieve information about a specific wine", wine_name=""), "information about {wine_name|wine}"),
        (tool("Retrieve the mass of a chemical compound", compound=""), "mass of {compound|chemical compound}"),
        (tool("Find the rankings for a specific martial arts competition", competition_name=""),
         "rankings for {competition_name|martial arts competition}"),
        (tool("", "get_ticket", ticket_id=""), "details of {ticket_id|ticket}"),
    ],
)  # fmt: skip
def test_nouns_say_what_is_returned(made: Tool, noun: str) -> None:
    assert ToolPhrases(made).is_getter
    assert ToolPhrases(made).noun.text == noun


def test_lookups_by_name_and_the_kinds_that_they_find() -> None:
    finds = tool("Finds the id of the part, user or customer that best matches a name", query="the name to look for")
    assert ToolPhrases(finds).is_lookup and set(ToolPhrases(finds).kinds) == {"part", "user", "customer"}
    one = ToolPhrases(tool("Returns the id of the ticket with the given name", "find", {"type": "string"}, name=""))
    assert one.is_lookup and one.kinds == ("ticket",)


def test_the_current_user() -> None:
    assert ToolPhrases(tool("Tells the id of the current user", "me", {"type": "string"})).is_me
    assert ToolPhrases(tool("", "who_am_i", {"type": "string"})).is_me


def test_the_verb_of_another_tool_is_not_used_as_a_synonym() -> None:
    extend = tool("Extend a loan by the week", "extend_loan", loan_id="")
    alone, beside = (
        {form.text for form in ToolPhrases(extend, taken).clauses}
        for taken in (frozenset[str](), frozenset({"prolong", "extend"}))
    )
    assert {"extend {loan_id|loan}", "prolong {loan_id|loan}"} <= alone
    assert not any(text.startswith("prolong") for text in beside)
    assert "extend {loan_id|loan} by the week" in beside


@pytest.mark.parametrize(
    ("name", "description", "short"),
    [
        ("getAirportWeather", "Get the present weather information at an airport", "airport weather"),
        ("get_weather", "Get the weather", ""),  # one word is too little
        ("getRoutes", "Get the routes", ""),
        ("list_book_genres", "List the genre of a book", ""),  # unclear whether one or many
        ("get_rate_by_city", "Get the rate of a city", ""),
    ],
)
def test_a_lookup_may_be_called_by_its_name(name: str, description: str, short: str) -> None:
    made = tool(description, name, {"type": "object", "properties": {"it": {"type": "string"}}}, place="")
    assert ToolPhrases(made).short == short


@pytest.mark.parametrize(
    ("name", "description", "clause"),
    [
        ("move_file", "Move or rename files and directories", "move the file"),
        ("write_file", "Write or append to file contents", "write to file contents"),
        ("modify_labels", "Add or remove labels from a message", "modify labels"),
    ],
)
def test_of_alternatives_that_of_the_name_is_said(name: str, description: str, clause: str) -> None:
    assert clause in [form.text for form in ToolPhrases(tool(description, name)).clauses]


def choosing(name: str, description: str, argument: str, *values: str) -> ToolPhrases:
    inputs = {"type": "object", "properties": {argument: {"enum": [*values]}, "id": {}}, "required": [argument, "id"]}
    made = {"name": name, "description": description, "inputSchema": inputs}
    return ToolPhrases(catalogue_from_json([made]).tools[0])


def test_of_things_that_an_argument_chooses_none_is_named() -> None:
    phrases = choosing(
        "delete_object", "Delete a project, section or task by its ID", "type", "project", "section", "task"
    )
    assert {form.text for form in phrases.clauses if form.text.startswith("delete")} == {"delete {id|object}"}
    cost = choosing("get_cost", "Get the cost of a new project or branch", "type", "project", "branch")
    assert cost.rest.text.endswith("of a new {type|project or branch}")


def test_of_verbs_that_an_argument_chooses_its_value_is_said() -> None:
    phrases = choosing("page_status", "Archive or unarchive a page by its ID", "action", "archive", "unarchive")
    assert {form.text for form in phrases.clauses} == {"{action|archive or unarchive} {id|page}"}


@pytest.mark.parametrize("place", ["across projects", "within a team", "the web"])
def test_a_place_that_is_searched_is_not_what_is_found(place: str) -> None:
    assert not ToolPhrases(tool(f"Search {place}", "search", query="")).is_getter
