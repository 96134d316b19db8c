"""Which arguments a call has: what people say, and never two that exclude each other."""

from random import Random
from typing import Any

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Tool
from platypus.generation.plans.call_arguments import choose_arguments, habits_of, is_long


def tool(required: tuple[str, ...] = (), **prose: str) -> Tool:
    properties: dict[str, Any] = {name: {"type": "string", "description": text} for name, text in prose.items()}
    inputs = {"type": "object", "properties": properties, "required": [*required]}
    return catalogue_from_json([{"name": "list_notes", "inputSchema": inputs}]).tools[0]


def chosen(made: Tool, draws: int = 300, wanted: str | None = None) -> list[set[str]]:
    habits = habits_of(made)
    return [{a.name for a in choose_arguments(Random(i), made, habits, set(), wanted)} for i in range(draws)]


def test_cursors_and_tokens_are_hardly_ever_said() -> None:
    sets = chosen(tool(topic="The topic", cursor="Where to go on", auth_token=""))
    assert 0 < sum("cursor" in names or "auth_token" in names for names in sets) < 30
    assert all("cursor" in names for names in chosen(tool(cursor=""), wanted="cursor"))
    assert all("cursor" in names for names in chosen(tool(("cursor",), cursor="")))


def test_arguments_that_the_prose_forbids_together_are_not_chosen_together() -> None:
    made = tool(text="Plain text. Provide either text or pattern, not both.", pattern="A pattern.", limit="")
    assert not any({"text", "pattern"} <= names for names in chosen(made))
    assert any("pattern" in names for names in chosen(made))
    both = tool(city="Cannot be used together with `place_id`.", place_id="")
    assert not any({"city", "place_id"} <= names for names in chosen(both))


def test_the_two_ends_of_a_text_are_not_chosen_together() -> None:
    number = {"type": "integer"}
    sets = chosen(named("read_file", ("path",), path={"type": "string"}, head=number, tail=number))
    assert (
        {"path", "head"} in sets and {"path", "tail"} in sets and not any({"head", "tail"} <= names for names in sets)
    )


def test_one_of_two_names_for_the_same_thing() -> None:
    sets = chosen(tool(issueId="", issueUrl="", start_date="", end_date=""))
    assert not any({"issueId", "issueUrl"} <= names for names in sets)
    assert any({"start_date", "end_date"} <= names for names in sets)


def named(name: str, required: tuple[str, ...] = (), about: str = "", **schemas: dict[str, Any]) -> Tool:
    inputs = {"type": "object", "properties": schemas, "required": [*required]}
    return catalogue_from_json([{"name": name, "description": about, "inputSchema": inputs}]).tools[0]


def test_an_update_changes_something_and_a_look_up_has_an_object() -> None:
    text = {"type": "string"}
    update = named("update_note", ("note_id",), note_id=text, workspace=text, body=text, dry_run={"type": "boolean"})
    assert all("body" in names for names in chosen(update))
    flags = {flag: {"type": "boolean"} for flag in ("mobile", "fresh", "main")}
    scrape = named("scrape", about="Scrape one URL.", url=text, **flags)
    assert all("url" in names for names in chosen(scrape))


def test_exactly_one_of_two_alternatives() -> None:
    made = named(
        "create_page",
        ("title",),
        title={"type": "string"},
        content={"type": "string", "description": "The text. Either content or content_file must be provided."},
        content_file={"type": "string", "description": "A path."},
    )
    assert all(len({"content", "content_file"} & names) == 1 for names in chosen(made))


def test_old_and_new_text_are_given_together() -> None:
    text = {"type": "string"}
    sets = chosen(named("edit_file", ("path",), path=text, old_text=text, new_text=text, note=text))
    assert all(("old_text" in names) == ("new_text" in names) for names in sets)


def test_an_argument_of_another_mode_is_not_given() -> None:
    mode = {"type": "string", "enum": ["add", "list"]}
    only = {"type": "string", "description": "The label (only for add)."}
    made = named("labels", ("mode",), mode=mode, label=only, topic={"type": "string", "description": "The topic"})
    habits = habits_of(made)
    sets = [
        {a.name for a in choose_arguments(Random(i), made, habits, set(), None, {"mode": "list"})} for i in range(99)
    ]
    assert not any("label" in names for names in sets) and any("topic" in names for names in sets)


def test_nested_objects_and_calls_that_need_many_values_are_rarely_said() -> None:
    nested = {"type": "array", "items": {"type": "object", "properties": {"size": {"type": "integer"}}}}
    assert sum("rules" in names for names in chosen(named("list_notes", rules=nested, topic={"type": "string"}))) < 30
    assert is_long(named("add_note", ("rules",), rules=nested)) and not is_long(named("add_note", rules=nested))
    five = {name: {"type": "string"} for name in "abcde"}
    assert is_long(named("add_note", tuple(five), **five))


def test_a_named_thing_is_destroyed_with_its_type() -> None:
    text = {"type": "string"}
    made = named("delete_thing", about="Delete resources.", id=text, resource_type=text, manifest=text)
    assert all({"id", "resource_type"} <= names for names in chosen(made))
