"""Slots replace the mentions of arguments in a tool's own text, and nothing else."""

from random import Random

import pytest

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Tool
from platypus.generation.catalogues.random_catalogue import random_catalogue
from platypus.generation.requests.slots import SLOT, Form, fill_slots, filled_in, labels
from tests.generation.requests.test_tool_phrases import tool

ADD = tool("", work_ids="", sprint_id="")


def test_the_slots_of_a_form_in_their_order() -> None:
    assert Form("add {work_ids|work items} to {sprint_id|sprint}").slots == ("work_ids", "sprint_id")
    assert Form("archive everything").slots == ()


@pytest.mark.parametrize(
    ("made", "text", "form"),
    [
        (ADD, "the given work items to the sprint", "{work_ids|work items} to {sprint_id|sprint}"),
        (ADD, "work items to a new sprint", "{work_ids|work items} to {sprint_id|sprint}"),
        (tool("", book_id=""), "details of a book", "details of {book_id|book}"),
        (tool("", pid=""), "the output from a running process", "the output from {pid|running process}"),
        (
            tool("", libraryName=""),
            "a package or product name to a library ID",
            "{libraryName|package or product} to a library ID",
        ),
        (tool("", book_id=""), "the bookmarks", "the bookmarks"),  # another word
        (tool("", path="", csv_path=""), "a range as a CSV file", "a range as {csv_path|CSV file}"),
        (tool("", sheet="", new_name=""), "a sheet to a new last sheet", "{sheet|sheet} to a new last sheet"),
        (tool("", kind="", name=""), "the field of a given kind", "the field of {kind|kind}"),
    ],
)
def test_slots_of_a_text_about_an_action(made: Tool, text: str, form: str) -> None:
    assert fill_slots(text, made, acting=True).text == form


def test_a_text_about_an_output_has_slots_only_for_references_to_arguments() -> None:
    made = tool("", user_id="")
    assert fill_slots("users similar to the given user", made, acting=False).text == "users similar to {user_id|user}"
    assert fill_slots("users by name", made, acting=False).text == "users by name"


def test_an_optional_argument_at_the_end_gets_a_phrase_of_its_own() -> None:
    text = {"type": "string"}
    inputs = {"type": "object", "properties": {"city": text, "time_period": text}, "required": ["city"]}
    (made,) = catalogue_from_json([{"name": "weather", "inputSchema": inputs}]).tools
    assert fill_slots("weather for a city and time period", made, acting=True).text == "weather for {city|city}"


def test_a_noun_within_a_compound_is_not_a_slot() -> None:
    """The "training" of "a training record" is not the argument."""
    made = tool("Add a training record for an employee", training_name="", employee_id="")
    form = fill_slots("a training record for an employee", made, acting=True)
    assert form.text == "a training record for {employee_id|employee}"


def test_labels_come_from_the_type_the_name_and_the_description_longest_first() -> None:
    (argument,) = tool("", sprint_id="The unique identifier of the current iteration").arguments
    assert labels(argument) == ["current iteration", "sprint item", "sprint"]
    (argument,) = tool("", plant_species="").arguments
    assert {"plant species", "plant"} <= set(labels(argument))


def test_slots_are_arguments_of_the_tool_and_leave_the_other_words() -> None:
    """The text around the slots is unchanged and in the same order."""
    filled = 0
    for seed in range(60):
        for made in random_catalogue(Random(seed), tools=8):
            form = fill_slots(made.description, made, acting=True)
            assert len(set(form.slots)) == len(form.slots)
            assert set(form.slots) <= {argument.name for argument in made.arguments}
            filled += len(form.slots)
            place = 0
            for part in SLOT.split(form.text)[::3]:
                place = made.description.find(part, place)
                assert place >= 0, (made.description, form.text)
                place += len(part)
    assert filled > 200


def test_the_values_of_an_enum_give_place_to_one_of_them() -> None:
    kinds = {"type": "object", "properties": {"axis": {"enum": ["rows", "columns"]}}, "required": ["axis"]}
    made = catalogue_from_json([{"name": "drop", "description": "Drops.", "inputSchema": kinds}]).tools[0]
    assert fill_slots("rows or columns of a sheet", made, acting=True).text == "{axis|rows or columns} of a sheet"


def test_the_only_id_is_that_of_the_thing_that_the_text_names() -> None:
    made = tool("", message_id="")
    assert fill_slots("an email", made, acting=True).text == "{message_id|email}"
    assert fill_slots("an email", tool("", message_id="", label_id=""), acting=True).text == "an email"


def test_an_argument_of_a_call_takes_the_place_of_its_indefinite_mention() -> None:
    made = tool("", tag_gid="", task_gid="")
    assert filled_in("add a tag to a task", made, ["tag_gid"]) == "add {tag_gid|tag} to a task"
    assert filled_in("add the tag", made, ["tag_gid"]) == "add the tag"
