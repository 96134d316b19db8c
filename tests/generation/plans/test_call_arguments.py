"""Which arguments a call has: what people say, and never two that exclude each other."""

from random import Random
from typing import Any

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Tool
from platypus.generation.plans.call_arguments import choose_arguments, habits_of


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


def test_one_of_two_names_for_the_same_thing() -> None:
    sets = chosen(tool(issueId="", issueUrl="", start_date="", end_date=""))
    assert not any({"issueId", "issueUrl"} <= names for names in sets)
    assert any({"start_date", "end_date"} <= names for names in sets)
