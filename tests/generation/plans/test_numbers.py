"""Numbers are whole and small unless something speaks of others."""

from random import Random
from typing import Any

import pytest

from platypus.generation.plans.kinds import Setting
from platypus.generation.plans.numbers import made_up_number

DRAWS = 60


def drawn(name: str, *, whole: bool = False, tool: str = "", **schema: Any) -> list[float]:
    return [made_up_number(Random(seed), name, schema, Setting(tool), whole=whole) for seed in range(DRAWS)]


@pytest.mark.parametrize("name", ["count", "replicas", "pageNumber", "storyId", "wickets", "max_results"])
def test_what_counts_or_names_a_thing_is_whole(name: str) -> None:
    assert all(isinstance(value, int) and value > 0 for value in drawn(name))


@pytest.mark.parametrize(
    "bound", [{"maximum": 2**53 - 1}, {"maximum": 2**31 - 1}, {"minimum": -(2**63), "maximum": 2**63 - 1}]
)
def test_bounds_of_the_machine_are_no_bounds(bound: dict[str, int]) -> None:
    assert max(drawn("limit", whole=True, **bound)) <= 50
    assert max(drawn("wickets", whole=True, exclusiveMinimum=0, **bound)) <= 100


@pytest.mark.parametrize(
    "name, schema",
    [
        ("threshold", {"description": "Similarity between 0 and 1"}),
        ("latitude", {}),
        ("margin", {"description": "The margin as a decimal"}),
        ("weighting", {"minimum": 0, "maximum": 1}),
        ("tempo", {"default": 0.5}),
        ("tempo", {"description": "How fast, e.g. 0.75"}),
    ],
)
def test_decimals_where_name_prose_or_bounds_speak_of_them(name: str, schema: dict[str, Any]) -> None:
    assert any(value != int(value) for value in drawn(name, **schema))
    assert all(value == int(value) for value in drawn(name, whole=True, **schema))


def test_examples_in_prose_give_the_size() -> None:
    assert all(6 <= value <= 48 for value in drawn("wickets", description="How many (e.g., 12, 24)"))


def test_the_time_since_1970_is_about_today() -> None:
    seconds = drawn("created", description="Unix time")
    assert all(1_735_000_000 < value < 1_800_000_000 for value in seconds)
    assert all(value > 1.7e12 for value in drawn("start", description="Milliseconds since the epoch"))


@pytest.mark.parametrize(
    "schema",
    [
        {"minimum": 1000, "maximum": 1003},
        {"maximum": -4},
        {"minimum": 0.25, "maximum": 0.5},
        {"exclusiveMinimum": 3, "multipleOf": 4},
        {"exclusiveMinimum": 0, "exclusiveMaximum": 1, "multipleOf": 0.25},
        {"minimum": 20000},
    ],
)
def test_bounds_hold(schema: dict[str, Any]) -> None:
    for value in drawn("limit", **schema):
        assert schema.get("minimum", value) <= value <= schema.get("maximum", value)
        assert value > schema.get("exclusiveMinimum", value - 1) and value < schema.get("exclusiveMaximum", value + 1)
        assert value % schema.get("multipleOf", value) == 0
