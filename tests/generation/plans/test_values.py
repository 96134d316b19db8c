"""Made-up values are allowed by their schema and are what people would say."""

import json
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest

from platypus.catalogue.reading import read_catalogue
from platypus.catalogue.schema import literal_problem
from platypus.generation.plans.kinds import Setting
from platypus.generation.plans.sampler import Sampler
from platypus.generation.plans.values import choices, made_up_value


def drawn(name: str, schema: dict[str, Any], tool: str = "", draws: int = 30) -> list[Any]:
    values = [made_up_value(Random(seed), name, schema, Setting(tool)) for seed in range(draws)]
    assert all(literal_problem(schema, value) is None for value in values)
    return values


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string"},
        {"type": "string", "format": "date"},
        {"type": "string", "format": "date-time"},
        {"type": "string", "format": "email"},
        {"type": "string", "format": "uuid"},
        {"type": "string", "maxLength": 4},
        {"type": "string", "enum": ["a", "b"]},
        {"type": "integer", "minimum": 3, "maximum": 5},
        {"type": "integer", "exclusiveMinimum": 3, "multipleOf": 4},
        {"type": "number", "minimum": 0, "maximum": 1},
        {"type": "boolean"},
        {"type": ["null", "integer"]},
        {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}, "uniqueItems": True, "minItems": 2},
        {"type": "array", "items": {"type": "integer"}, "maxItems": 1},
        {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        {"type": "array", "prefixItems": [{"type": "number"}, {"type": "boolean"}], "minItems": 2, "maxItems": 2},
        {"anyOf": [{"type": "boolean"}, {"type": "integer"}]},
    ],
)
def test_values_are_allowed(schema: dict[str, Any]) -> None:
    drawn("thing", schema, draws=40)


def test_examples_are_varied() -> None:
    made = set(drawn("owner", {"type": "string", "examples": ["DEVU-123"]}))
    assert len(made) > 10
    assert all(re.fullmatch(r"DEVU-\d{1,4}", value) for value in made)


@pytest.mark.parametrize("schema", [{}, {"type": "object"}, {"type": "array", "items": {"type": "object"}}])
def test_no_value_for_schemas_without_a_usable_type(schema: dict[str, Any]) -> None:
    assert made_up_value(Random(0), "thing", schema) is None


@pytest.mark.parametrize(
    "name, prose, tool, form",
    [
        ("dest", "Folder for the export", "", r"[~./\w][\w./~-]*"),
        ("filePath", "The absolute path of the file", "", r"/\S+\.\w+"),
        ("query", "The GraphQL document", "", r".*\{.*\}"),
        ("xpath", "", "", r"//\S.*"),
        ("dsn", "", "", r"\w+://\S+"),
        ("target", "Name, e.g. 'Part::Section'", "", r"[A-Z][a-z]+::[A-Z][a-z]+"),
        ("due", "The day (MM/DD/YYYY), e.g. 03/12/2024", "", r"\d\d/\d\d/20\d\d"),
        ("started", "When, e.g. 2024-01-02T03:04:05Z", "", r"20\d\d-\d\d-\d\dT\d\d:\d\d:05Z"),
        ("version", "The API version, e.g. '2024-10'", "", r"20\d\d-\d\d"),
        ("sorting", "One of: newest, oldest", "", r"newest|oldest"),
        ("watchers", "Comma-separated list of user IDs", "", r"\w[\w-]*(,\w[\w-]*)?"),
        ("project", "The project GID", "", r"(?i)(pro|proj|project)[-_]?\d+|\d+"),
    ],
)
def test_values_have_the_form_that_name_and_prose_tell(name: str, prose: str, tool: str, form: str) -> None:
    values = drawn(name, {"type": "string", "description": prose}, tool)
    assert all(re.fullmatch(form, value) for value in values), values


def test_an_example_without_digits_is_no_time() -> None:
    prose = "Start of the event, ISO 8601. A zone of its own is useful for long trips (e.g., flights)."
    assert "flights" not in drawn("start", {"type": "string", "description": prose}, "create event", 60)
    zones = {"type": "string", "description": "IANA name (e.g., Asia/Tokyo), for a datetime without one."}
    assert all("/" in zone or zone == "UTC" for zone in drawn("timeZone", zones, "create event"))


def test_a_list_for_a_command_is_one_command() -> None:
    prose = 'The command as a list of strings (e.g. ["ls", "-la", "/app"])'
    made = drawn("command", {"type": "array", "items": {"type": "string"}, "description": prose})
    assert {value[0] for value in made} <= {"ls", "npm", "git", "df", "make", "tail", "pytest", "docker"}
    assert ["docker", "ps"] in made


def test_an_id_is_named_after_its_thing() -> None:
    made = drawn("view", {"type": "string", "description": "The name or ID of a view"})
    assert all(re.fullmatch(r"(?i)(vie|view)[-_]?\d+|\d+", value) for value in made), made


def test_an_update_of_an_object_changes_something() -> None:
    fields = {name: {"type": "string", "description": f"The {name}"} for name in ("id", "type", "title", "body")}
    tasks = {"type": "array", "items": {"type": "object", "properties": fields, "required": ["id"]}}
    for value in drawn("tasks", tasks, "update tasks", 60):
        assert all({"title", "body"} & task.keys() for task in value)
    assert any(task.keys() == {"id"} for value in drawn("tasks", tasks, "share tasks", 60) for task in value)


def test_nothing_that_the_prose_warns_of() -> None:
    prose = "The note. Never write things such as diagnoses or salaries."
    assert not {"diagnoses", "salaries"} & set(drawn("note", {"type": "string", "description": prose}))


def test_the_richer_branch_of_a_union() -> None:
    special = {"anyOf": [{"type": "integer"}, {"type": "string", "enum": ["all"]}]}
    assert all(isinstance(value, int) for value in drawn("days", special)) and choices(special) == ()
    shapes = {"anyOf": [{"type": "string"}, {"type": "object", "properties": {"size": {"type": "integer"}}}]}
    assert all(isinstance(value, dict) for value in drawn("shape", shapes))
    constants = {"anyOf": [{"const": "metric"}, {"const": "imperial"}]}
    assert set(drawn("units", constants)) == {"metric", "imperial"} == set(choices(constants))


def test_an_object_has_the_values_that_its_prose_lists() -> None:
    prose = "What to show. Valid `sort` options are `rank` and `age`."
    schema = {
        "type": "object",
        "description": prose,
        "properties": {"sort": {"type": "string"}, "x1": {"type": "string"}},
    }
    assert {value["sort"] for value in drawn("view", schema)} == {"rank", "age"}
    assert not any("x1" in value for value in drawn("view", schema))  # nothing tells what it is


def test_an_object_with_free_keys() -> None:
    assert all(len(value) == 1 for value in drawn("fields", {"type": "object", "additionalProperties": {}}))
    counts = drawn("stock", {"type": "object", "additionalProperties": {"type": "integer"}})
    assert all(isinstance(number, int) for value in counts for number in value.values())
    field = {"type": "object", "additionalProperties": {}, "description": "Field definition"}
    assert all(value.keys() == {"name", "type"} for value in drawn("field", field))
    example = {"type": "object", "description": 'What to set, e.g. {"size": 3}'}
    assert drawn("change", example, draws=2) == [{"size": 3}, {"size": 3}]


# ---------------------------------------------------------------- the cases beside the checkout

ENDS = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
CASES = {  # file → argument → what each value must be
    "number-counts": {
        "read_file.head": r"\d+",
        "scale.replicas": r"\d+",
        "update_story.storyPublicId": r"\d+",
        "search_issues.page": r"\d+",
    },
    "safe-integer-bounds": {"list_notes.limit": r"\d{1,2}", "list_notes.pageIdx": r"\d{1,2}"},
    "time-min-max": {"search_events.timeMin": ENDS, "search_events.timeMax": ENDS},
    "directory-path": {"list_directory.path": r"[^.]*(\./)?[^.]+", "git_status.repo_path": r"[/~][^.]+"},
    "pagination-cursor-timestamp": {"add_reaction.timestamp": r"1\d{9}\.\d{6}", "add_reaction.reaction": r"[a-z_0-9]+"},
    "query-languages": {
        "query.sql": r"SELECT .*",
        "search_issues.jql": r".*(=|~).*",
        "connect.connectionString": r"\w+(\+srv)?://\S+",
    },
    "one-example": {"get_order.order_id": r"#[A-Z]\d{7}"},
    "negative-examples": {"query_docs.query": r"(?!API keys|passwords|credentials).*"},
    "not-both": {"find_text.regex": r"(?!not both|regex$).*", "patch_note.target": r"\w+::\w+|[\w ]+"},
    "object-or-string-any-of": {"search_pages.filter": r"\{.*\"value\": \"(page|data_source)\".*\}"},
    "non-string-example": {"set_zoom.zoom": r"\d+"},
}


@pytest.mark.parametrize("case", CASES)
def test_the_cases(shared_data: Path, case: str) -> None:
    catalogue = read_catalogue(shared_data.parent / "cases" / "catalogues" / f"{case}.json")
    sampler = Sampler(catalogue)
    for key, form in CASES[case].items():
        tool = catalogue.tool(key.partition(".")[0])
        argument = tool and tool.argument(key.partition(".")[2])
        assert tool and argument
        values = [sampler.made_up(Random(seed), tool, argument) for seed in range(40)]
        texts = [value if isinstance(value, str) else json.dumps(value) for value in values]
        assert all(re.fullmatch(form, text) for text in texts), texts
        assert len(set(texts)) > (30 if case == "one-example" else 1)


def test_plans_of_the_cases_have_times_in_order_and_one_of_two_that_exclude_each_other(shared_data: Path) -> None:
    folder = shared_data.parent / "cases" / "catalogues"
    times, either, pages = (
        Sampler(read_catalogue(folder / f"{name}.json"))
        for name in ("time-min-max", "not-both", "pagination-cursor-timestamp")
    )
    cursors = 0
    for seed in range(200):
        for step in times.plan(Random(seed)):
            assert str(step.arguments["timeMin"]) <= str(step.arguments["timeMax"])
        for step in either.plan(Random(seed)):
            assert not {"text", "regex"} <= step.arguments.keys()
        cursors += sum("cursor" in step.arguments for step in pages.plan(Random(seed)))
    assert cursors < 10
